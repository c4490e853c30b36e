"""The office: pages of the staff, a module an area. Each view declares its route and its right."""

MODULES: tuple[str, ...] = (
    "overview",
    "customers",
    "customer_form",
    "ledger",
    "invoices",
    "why",
    "corrections",
    "runs",
    "usage",
    "settings",
    "settings_sellers",
    "settings_staff",
    "settings_keys",
    "journal",
    "catalogue",
    "drafts",
    "composer",
    "simulations",
    "subscription_changes",
    "subscriptions",
)
