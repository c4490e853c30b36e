"""Who is who: tenants, their sellers and branches, customers; users, memberships and roles."""
