"""Bill runs, invoices, their numbers and corrections."""
