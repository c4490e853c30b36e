"""Kvit's PostgreSQL backend for Django: `ENGINE = "kvit.platform.db"`.

`base` tells each transaction which tenant it works for; `schema` gives each tenant table its
row-level security, composite keys and grants; `roles` switches between owner and application.
"""
