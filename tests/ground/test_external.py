"""A database in DATABASE_URL: prepared by `kvit db init`, checked at every start."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from kvit.platform import connection, durability, provision
from kvit.platform.connection import DatabaseUnusable, conninfo
from kvit.platform.db import roles
from kvit.platform.db.roles import APP_ROLE, OWNER_ROLE, Access
from kvit.platform.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.embedded]


@pytest.fixture
def prepared(admin_url: str) -> Iterator[Access]:
    yield provision.prepare_external(admin_url, database="kvit_init")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        for role in (APP_ROLE, OWNER_ROLE):
            if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                admin.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER").format(sql.Identifier(role)))
        admin.execute("DROP DATABASE kvit_init WITH (FORCE)")


def settings(access: Access, **more: str) -> Settings:
    values = {
        "DATABASE_URL": SecretStr(provision.url(access, APP_ROLE)),
        "owner_database_url": SecretStr(provision.url(access, OWNER_ROLE)),
        "durability": "test",  # the servers of these tests do without fsync
        **more,
    }
    return Settings(**values)  # type: ignore[arg-type]


def test_what_init_prepares_can_be_used(prepared: Access) -> None:
    access = connection.ensure(settings(prepared))
    with psycopg.connect(conninfo(access, APP_ROLE)) as app:
        assert app.execute("SELECT current_user").fetchone() == ("kvit_app",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CREATE TABLE t (i int)")
    with psycopg.connect(conninfo(access, OWNER_ROLE)) as owner:
        owner.execute("CREATE TABLE t (w text, EXCLUDE USING gist (w WITH =))")


def test_init_may_be_repeated_and_renews_the_passwords(prepared: Access, admin_url: str) -> None:
    again = provision.prepare_external(admin_url, database="kvit_init")
    assert again.app_password != prepared.app_password
    psycopg.connect(conninfo(again, APP_ROLE)).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(conninfo(prepared, APP_ROLE))


def test_many_may_prepare_at_one_moment(prepared: Access, admin_url: str) -> None:
    """Roles are the whole server's: who changes one while another does is refused by PostgreSQL."""

    def prepare(_: int) -> None:
        provision.prepare(
            admin_url, database="kvit_init", owner_password="same", app_password="same"
        )

    with ThreadPoolExecutor(4) as hands:
        list(hands.map(prepare, range(24)))
    psycopg.connect(conninfo(replace(prepared, app_password="same"), APP_ROLE)).close()


def test_a_mighty_application_role_is_refused(prepared: Access, admin_url: str) -> None:
    with psycopg.connect(admin_url) as admin:
        admin.execute("ALTER ROLE kvit_app SUPERUSER")
    with pytest.raises(DatabaseUnusable) as refusal:
        connection.ensure(settings(prepared))
    assert (refusal.value.code, refusal.value.params["why"]) == ("too_mighty", "SUPERUSER")


def test_a_missing_extension_is_named(prepared: Access) -> None:
    with psycopg.connect(conninfo(prepared, OWNER_ROLE)) as owner:
        owner.execute("DROP EXTENSION btree_gist")
    with pytest.raises(DatabaseUnusable) as refusal:
        connection.ensure(settings(prepared))
    assert (refusal.value.code, refusal.value.params["name"]) == ("extension_missing", "btree_gist")


def test_unsafe_settings_of_a_role_are_seen(prepared: Access, admin_url: str) -> None:
    with psycopg.connect(admin_url) as admin:
        admin.execute("ALTER ROLE kvit_app SET synchronous_commit = off")
    try:
        with pytest.raises(durability.UnsafeDurability, match="synchronous_commit = off"):
            connection.ensure(settings(prepared, durability="safe"))
    finally:
        with psycopg.connect(admin_url) as admin:
            admin.execute("ALTER ROLE kvit_app RESET synchronous_commit")


def test_a_stopped_server_is_told_in_one_sentence(prepared: Access, tmp_path: Path) -> None:
    gone = Access(
        host=str(tmp_path),
        port=5432,
        database="kvit",
        app_password="x",
        owner_password="x",
    )
    with pytest.raises(DatabaseUnusable) as refusal:
        connection.ensure(settings(gone))
    assert refusal.value.code == "unreachable"


def test_a_superuser_is_needed_to_prepare(prepared: Access) -> None:
    with pytest.raises(provision.CannotPrepare) as refusal:
        provision.prepare_external(conninfo(prepared, OWNER_ROLE), database="kvit_init")
    assert refusal.value.code == "may_not_create_roles"


APP = "postgresql://kvit_app:a@db.example.org:6432/billing?sslmode=require"
OWNER = "postgresql://kvit_owner:o@db.example.org:6432/billing"


def test_addresses_are_read_with_their_options() -> None:
    access = connection.external(
        Settings(DATABASE_URL=SecretStr(APP), owner_database_url=SecretStr(OWNER))
    )
    assert (access.host, access.port, access.database) == ("db.example.org", 6432, "billing")
    assert access.options == {"sslmode": "require"}
    assert (access.app_password, access.owner_password) == ("a", "o")


@pytest.mark.parametrize(
    ("app", "owner", "code"),
    [
        (APP, None, "owner_url_missing"),
        ("mysql://x", OWNER, "bad_url"),
        ("postgresql://postgres:p@db.example.org:6432/billing", OWNER, "wrong_role"),
        (APP, "postgresql://kvit_app:a@db.example.org:6432/billing", "wrong_role"),
        (APP, "postgresql://kvit_owner:o@db.example.org:6432/other", "two_databases"),
    ],
)
def test_wrong_addresses_are_refused(app: str, owner: str | None, code: str) -> None:
    known = Settings(
        DATABASE_URL=SecretStr(app), owner_database_url=SecretStr(owner) if owner else None
    )
    with pytest.raises(DatabaseUnusable) as refusal:
        connection.external(known)
    assert refusal.value.code == code
    assert "kvit_app:a@" not in str(refusal.value)


def test_a_url_survives_the_way_there_and_back(tmp_path: Path) -> None:
    access = Access(
        host=str(tmp_path), port=5432, database="kvit", app_password="п/р@?&", owner_password="o"
    )
    assert connection.external(settings(access)) == access


def test_the_command_prints_two_lines_to_put_into_the_environment(admin_url: str) -> None:
    words = [sys.executable, "-P", "-m", "kvit", "db", "init", "--database", "kvit_cli"]
    done = subprocess.run(
        [*words, "--admin-url", admin_url],
        env={**os.environ, "KVIT_LANG": "en"},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        lines = dict(line.split("=", 1) for line in done.stdout.splitlines()[1:])
        assert sorted(lines) == ["DATABASE_URL", "KVIT_OWNER_DATABASE_URL"]
        psycopg.connect(lines["DATABASE_URL"]).close()
        psycopg.connect(lines["KVIT_OWNER_DATABASE_URL"]).close()
    finally:
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS kvit_cli WITH (FORCE)")


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "_told", [])
    roles.use(Access("db.example", 5432, "kvit", "a", "o", {"connect_timeout": "3"}))
    options = roles.django_database()["OPTIONS"]
    assert (options["connect_timeout"], options["tcp_user_timeout"]) == ("3", "30000")
    assert options["keepalives_idle"] == "10"
