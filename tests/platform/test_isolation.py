"""Hostile SQL as the application's role: what a forgotten filter or an injection could try.

The limit of every such scheme: who can inject SQL can also set `app.tenant`. Row-level security
stops forgotten filters; grants stop the rest of this list.
"""

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection, transaction

from kvit.parties.models import Customer, Seller
from kvit.platform.tenancy import tenant_scope
from tests.platform.conftest import House

RIGHTS_OF_ROLES = [
    "SET ROLE kvit_owner",
    "SET SESSION AUTHORIZATION kvit_owner",
    "SET row_security = off; SELECT * FROM parties_customer",
    "SET session_replication_role = replica",
    "CREATE ROLE thief LOGIN",
    "ALTER ROLE kvit_app BYPASSRLS",
    "ALTER ROLE kvit_owner PASSWORD 'x'",
    "GRANT kvit_owner TO kvit_app",
    "CREATE DATABASE loot",
    "CREATE EXTENSION postgres_fdw",
    "COPY parties_customer TO PROGRAM 'cat'",
    "COPY (SELECT 1) TO '/tmp/kvit-loot'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kvit_owner'"
    " UNION ALL SELECT pg_reload_conf()",
    "DO LANGUAGE plpython3u $$ pass $$",
]
SCHEMA = [
    "CREATE TABLE loot (x int)",
    "CREATE FUNCTION loot() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE VIEW loot AS SELECT * FROM parties_customer",
    "CREATE SCHEMA loot",
    "DROP TABLE parties_customer",
    "ALTER TABLE parties_customer DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE parties_customer NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE parties_customer ADD COLUMN loot text",
    "ALTER TABLE platform_auditrow DISABLE TRIGGER append_only",
    "DROP POLICY tenant ON parties_customer",
    "CREATE POLICY all_of_them ON parties_customer USING (true)",
    "CREATE INDEX ON parties_customer (name)",
    "CREATE TRIGGER spy AFTER INSERT ON parties_customer EXECUTE FUNCTION kvit_refuse_change()",
    "CREATE OR REPLACE FUNCTION kvit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RETURN NEW; END'",
    "DELETE FROM django_migrations",
]
ROWS = [
    "TRUNCATE parties_customer",
    "TRUNCATE platform_auditrow",
    "UPDATE platform_auditrow SET actor = 'nobody'",
    "DELETE FROM platform_auditrow",
    "UPDATE platform_eventlog SET payload = '{}'",
    "DELETE FROM platform_eventlog",
    "INSERT INTO platform_auditrow (id) VALUES (gen_random_uuid())"
    " ON CONFLICT (id) DO UPDATE SET actor = 'nobody'",
    "SELECT * FROM platform_auditrow FOR UPDATE",
    "COPY parties_customer FROM STDIN",
    "MERGE INTO platform_auditrow a USING platform_auditrow b ON a.id = b.id"
    " WHEN MATCHED THEN DELETE",
    "LOCK TABLE parties_customer IN ACCESS EXCLUSIVE MODE; TRUNCATE parties_customer",
]


@pytest.fixture
def counted(ours: House, theirs: House) -> Iterator[None]:
    """Whatever was tried, both tenants have what they had."""
    yield
    for house in (ours, theirs):
        with tenant_scope(house.tenant):
            assert (Customer.objects.count(), Seller.objects.count()) == (1, 1)


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("statement", [*RIGHTS_OF_ROLES, *SCHEMA, *ROWS])
def test_refused(statement: str, ours: House) -> None:
    with (
        tenant_scope(ours.tenant),
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM parties_customer WHERE tenant_id = '{theirs}'",
        "SELECT id FROM parties_customer WHERE id = '{customer}' OR true AND tenant_id <> '{ours}'",
        "SELECT id FROM parties_customer WHERE true EXCEPT"
        " SELECT id FROM parties_customer WHERE tenant_id = '{ours}'",
        "SELECT c.id FROM parties_tenant t JOIN parties_customer c ON c.tenant_id = t.id"
        " WHERE t.code = 'theirs'",
        "SELECT 1 FROM platform_auditrow WHERE tenant_id = '{theirs}'",
        "SELECT 1 FROM platform_eventlog WHERE tenant_id = '{theirs}'",
        "UPDATE parties_customer SET name = 'x' WHERE tenant_id = '{theirs}' RETURNING id",
        "DELETE FROM parties_customer WHERE id = '{customer}' RETURNING id",
        "WITH x AS (DELETE FROM parties_seller WHERE tenant_id <> '{ours}' RETURNING id)"
        " SELECT * FROM x",
    ],
)
def test_rows_of_another_tenant_are_not_there(statement: str, ours: House, theirs: House) -> None:
    with tenant_scope(ours.tenant), connection.cursor() as cursor:
        cursor.execute(
            statement.format(ours=ours.tenant, theirs=theirs.tenant, customer=theirs.customer)
        )
        assert cursor.fetchall() == []


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO parties_branch (id, tenant_id, code, name, seller_id)"
        " VALUES (gen_random_uuid(), '{theirs}', 'b', 'b', '{seller}')",
        "UPDATE parties_customer SET tenant_id = '{theirs}'",
        "INSERT INTO parties_seller SELECT (jsonb_populate_record(s, jsonb_build_object("
        "'id', gen_random_uuid(), 'tenant_id', '{theirs}', 'code', 'x'))).* FROM parties_seller s",
    ],
)
def test_rows_cannot_be_given_to_another_tenant(statement: str, ours: House, theirs: House) -> None:
    with (
        tenant_scope(ours.tenant),
        pytest.raises(DatabaseError, match="row-level security"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(theirs=theirs.tenant, seller=theirs.seller))


def test_a_row_cannot_point_at_another_tenants_row(ours: House, theirs: House) -> None:
    with tenant_scope(ours.tenant), transaction.atomic():
        Customer.objects.update(payer_id=theirs.customer)
        with pytest.raises(DatabaseError, match="violates foreign key"):
            connection.check_constraints()
        transaction.set_rollback(True)
    with tenant_scope(ours.tenant):
        assert Customer.objects.get().payer_id is None


def test_without_a_tenant_nothing_is_there(ours: House) -> None:
    with connection.cursor() as cursor:
        for table in ("parties_customer", "parties_seller", "platform_auditrow"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("value", ["", "not-a-uuid", "' OR true --"])
def test_a_broken_tenant_setting_shows_nothing(value: str, ours: House) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.tenant', %s, true)", [value])
        try:
            cursor.execute("SELECT id FROM parties_customer")
            rows = cursor.fetchall()
        except DatabaseError:
            rows = []
            transaction.set_rollback(True)
        assert rows == []
