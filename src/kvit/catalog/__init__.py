"""Products, plans, versioned prices, meters and discounts: what the company sells."""
