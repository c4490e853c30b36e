"""The check finds what a hurried migration, or a hand in psql, left open."""

from typing import Any

import psycopg
import pytest

from kvit.platform import migrate
from kvit.platform.catalogue_check import problems, session_problems
from kvit.platform.db.roles import as_owner
from kvit.platform.migrate import UnsafeSchema, migrate_as_owner

pytestmark = pytest.mark.django_db(transaction=True)

POLICY = "tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')::uuid)"
PLANTED = {
    "a table nobody listed": (
        "CREATE TABLE loose (id int)",
        "DROP TABLE loose",
        "loose has no forced row-level security and is not listed as global",
    ),
    "a policy that is not forced": (
        "ALTER TABLE parties_customer NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE parties_customer FORCE ROW LEVEL SECURITY",
        "parties_customer has no forced row-level security and is not listed as global",
    ),
    "a second policy": (
        "CREATE POLICY wide ON parties_customer USING (true)",
        "DROP POLICY wide ON parties_customer",
        "parties_customer does not have exactly the one policy of tenants",
    ),
    "another policy": (
        "ALTER POLICY tenant ON parties_customer USING (true)",
        f"ALTER POLICY tenant ON parties_customer USING ({POLICY})",
        "parties_customer does not have exactly the one policy of tenants",
    ),
    "a weaker check of new rows": (
        "ALTER POLICY tenant ON parties_customer WITH CHECK (true)",
        f"ALTER POLICY tenant ON parties_customer WITH CHECK ({POLICY})",
        "parties_customer does not have exactly the one policy of tenants",
    ),
    "a unique index over all tenants": (
        "CREATE UNIQUE INDEX tell_tale ON parties_customer (code)",
        "DROP INDEX tell_tale",
        "tell_tale is a unique index of a tenant's table without tenant_id",
    ),
    "a plain foreign key": (
        "ALTER TABLE parties_branch ADD CONSTRAINT plain FOREIGN KEY (seller_id)"
        " REFERENCES parties_seller (id)",
        "ALTER TABLE parties_branch DROP CONSTRAINT plain",
        "plain of parties_branch is a foreign key that can cross tenants",
    ),
    "a constraint that was never validated": (
        "ALTER TABLE parties_customer ADD CONSTRAINT hasty CHECK (code <> '') NOT VALID",
        "ALTER TABLE parties_customer DROP CONSTRAINT hasty",
        "hasty is not validated or not enforced",
    ),
    "changes of an append-only table": (
        "GRANT UPDATE ON platform_auditrow TO kvit_app",
        "REVOKE UPDATE ON platform_auditrow FROM kvit_app",
        "platform_auditrow can be changed by the application though it is append-only",
    ),
    "changes of one column of it": (
        "GRANT UPDATE (reason) ON platform_auditrow TO kvit_app",
        "REVOKE UPDATE (reason) ON platform_auditrow FROM kvit_app",
        "platform_auditrow can be changed by the application though it is append-only",
    ),
    "a guard that is switched off": (
        "ALTER TABLE platform_auditrow DISABLE TRIGGER append_only",
        "ALTER TABLE platform_auditrow ENABLE TRIGGER append_only",
        "platform_auditrow can be changed by the application though it is append-only",
    ),
    "truncation": (
        "GRANT TRUNCATE ON parties_customer TO kvit_app",
        "REVOKE TRUNCATE ON parties_customer FROM kvit_app",
        "parties_customer gives the application more than rows",
    ),
    "a view with its owner's eyes": (
        "CREATE VIEW peephole AS SELECT * FROM parties_customer",
        "DROP VIEW peephole",
        "peephole is a view or function that runs with its owner's rights",
    ),
    "a function with its owner's rights": (
        "CREATE FUNCTION lift() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "DROP FUNCTION lift()",
        "lift is a view or function that runs with its owner's rights",
    ),
    "rights to create": (
        "GRANT CREATE ON SCHEMA public TO kvit_app",
        "REVOKE CREATE ON SCHEMA public FROM kvit_app",
        "schema public has rights above those of an application",
    ),
}


def test_the_schema_is_sound() -> None:
    assert problems() == []
    assert session_problems() == []


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, owner: "psycopg.Connection[Any]") -> None:
    plant, undo, sentence = PLANTED[fault]
    owner.execute(plant)
    try:
        assert problems() == [sentence]
    finally:
        owner.execute(undo)
    assert problems() == []


def test_a_fault_stops_the_start(owner: "psycopg.Connection[Any]") -> None:
    owner.execute("CREATE TABLE loose (id int)")
    try:
        with pytest.raises(UnsafeSchema, match="loose has no forced row-level security"):
            migrate_as_owner()
    finally:
        owner.execute("DROP TABLE loose")
    assert migrate_as_owner() is False


def test_kvit_does_not_work_as_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    with as_owner():
        assert session_problems() == [
            "the database is used as kvit_owner; Kvit works as kvit_app alone"
        ]
        monkeypatch.setattr(migrate, "_is_behind", lambda _: False)
        with pytest.raises(UnsafeSchema, match="used as kvit_owner"):
            migrate_as_owner()
