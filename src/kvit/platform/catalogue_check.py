"""Does the database itself keep tenants apart? Read from its catalogue, not from the models.

Run after each migration and as a test. It is no Django system check: those run before `migrate`,
and a fault would block the migration that repairs it.
"""

from django.db import connection

from kvit.platform.db.roles import APP_ROLE

# Tables that belong to no tenant. What stands here is read before a tenant is known, or carries
# ids alone. Everything else has `tenant_id` and its policy.
GLOBAL_TABLES = frozenset(
    {
        "account_emailaddress",
        "account_emailconfirmation",
        "auth_group",
        "auth_group_permissions",
        "auth_permission",
        "django_content_type",
        "django_migrations",
        "django_session",
        "mfa_authenticator",
        "parties_apikey",
        "parties_apinonce",
        "parties_device",
        "parties_membership",
        "parties_role",
        "parties_roleright",
        "parties_tenant",
        "parties_tenantrole",
        "parties_user",
        "platform_cacheentry",
        "platform_delivery",
        "platform_parkedkey",
        "platform_tokenbucket",
        "procrastinate_events",
        "procrastinate_jobs",
        "procrastinate_periodic_defers",
        "procrastinate_workers",
        "usersessions_usersession",
    }
)
# What runs with its owner's rights, on purpose: its migration says why that is harmless.
OWNERS_FUNCTIONS = frozenset({"kvit_refresh_statistics", "metering_drop_released"})

_FAULTS = {
    "{} has no forced row-level security and is not listed as global": """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT (c.relname = ANY(%(global)s))
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity)""",
    "{} is listed as global and has a column tenant_id": """
        SELECT c.relname FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%(global)s)
          AND c.relkind IN ('r', 'p') AND NOT a.attisdropped""",
    "{} does not have exactly the one policy of tenants": """
        SELECT c.relname FROM pg_class c
        LEFT JOIN pg_policies p ON p.schemaname = 'public' AND p.tablename = c.relname
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND c.relrowsecurity AND NOT (c.relname = ANY(%(global)s))
        GROUP BY c.relname
        HAVING count(p.policyname) <> 1 OR NOT bool_and(
          p.permissive = 'PERMISSIVE' AND p.cmd = 'ALL' AND p.roles = '{public}'
          AND p.qual = p.with_check
          AND p.qual = %(policy)s)""",
    "{} is a unique index of a tenant's table without tenant_id": """
        SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        WHERE c.relnamespace = 'public'::regnamespace AND NOT (c.relname = ANY(%(global)s))
          AND i.indisunique AND NOT i.indisprimary
          AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid
                          AND a.attnum = ANY(i.indkey) AND a.attname = 'tenant_id')""",
    "{} is a foreign key that can cross tenants": """
        SELECT k.conname || ' of ' || c.relname FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
        WHERE k.contype = 'f' AND c.relnamespace = 'public'::regnamespace
          AND NOT (c.relname = ANY(%(global)s)) AND NOT (t.relname = ANY(%(global)s))
          AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid
                          AND a.attnum = ANY(k.conkey) AND a.attname = 'tenant_id')""",
    "{} is not validated or not enforced": """
        SELECT k.conname FROM pg_constraint k
        WHERE k.connamespace = 'public'::regnamespace AND NOT k.convalidated""",
    "{} can be changed by the application though it is append-only": """
        SELECT c.relname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
        WHERE g.tgname = 'append_only' AND (g.tgenabled <> 'O'
          OR has_table_privilege(%(app)s, c.oid, 'UPDATE, DELETE')
          OR has_any_column_privilege(%(app)s, c.oid, 'UPDATE'))""",
    "{} gives the application more than rows": """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
          AND has_table_privilege(%(app)s, c.oid, 'TRUNCATE, REFERENCES, TRIGGER')""",
    "{} is owned by the application": """
        SELECT relname FROM pg_class WHERE relowner = %(app)s::regrole
          AND relnamespace = 'public'::regnamespace
        UNION ALL SELECT proname FROM pg_proc WHERE proowner = %(app)s::regrole
        UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner = %(app)s::regrole
          AND nspname NOT LIKE 'pg\\_%%temp\\_%%'""",
    "{} is a view or function that runs with its owner's rights": """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
          AND (relkind = 'm' OR relkind = 'v'
               AND NOT coalesce(reloptions, '{}') @> ARRAY['security_invoker=true'])
        UNION ALL SELECT proname FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prosecdef
          AND NOT (proname = ANY(%(owners)s))""",
    "{} has rights above those of an application": """
        SELECT rolname FROM pg_roles WHERE rolname = %(app)s AND (rolsuper OR rolbypassrls
          OR rolcreaterole OR rolcreatedb OR rolreplication)
        UNION ALL SELECT roleid::regrole::text || ', granted to the application,'
        FROM pg_auth_members WHERE member = %(app)s::regrole
        UNION ALL SELECT 'schema public' WHERE has_schema_privilege(%(app)s, 'public', 'CREATE')""",
}
# The policy as PostgreSQL 15 to 18 spell it back.
_POLICY = (
    "(tenant_id = ( SELECT (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid"
    ' AS "nullif"))'
)


def problems() -> list[str]:
    """Return a sentence for each place where the database does not keep tenants apart."""
    values = {
        "global": sorted(GLOBAL_TABLES),
        "owners": sorted(OWNERS_FUNCTIONS),
        "app": APP_ROLE,
        "policy": _POLICY,
    }
    found: list[str] = []
    with connection.cursor() as cursor:
        for sentence, query in _FAULTS.items():
            cursor.execute(query, values)
            found += [sentence.format(name) for (name,) in cursor.fetchall()]
    return found


def session_problems() -> list[str]:
    """Return why this connection may not serve: Kvit refuses to work as superuser or owner."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        name, is_above = cursor.fetchone()
    if name != APP_ROLE or is_above:
        return [f"the database is used as {name}; Kvit works as {APP_ROLE} alone"]
    return []
