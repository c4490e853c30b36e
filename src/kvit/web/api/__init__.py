"""The HTTP API, version 1: a router module an area, named in `MODULES`; `urls` puts them together.

Each module has `router`, and `TAG`: the heading of its operations, in Russian and English.
"""

MODULES = (
    "quotes",
    "events",
    "usage",
    "catalogue",
    "composing",
    "simulations",
    "customers",
    "subscriptions",
    "runs",
    "invoices",
    "corrections",
    "ledger",
    "overview",
    "search",
    "webhooks",
    "keys",
    "uploads",
    "settings",
    "branding",
    "triggers",
    "tenant",
    "list_views",
)
