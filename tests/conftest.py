"""Fixtures of all tests. A test that asks for none of the database's does not wait for one.

def test_something(tenant: Tenant, now: datetime) -> None:      a tenant, its scope entered
@pytest.mark.django_db                                          a database, no tenant
@pytest.mark.django_db(transaction=True)                        what is committed is seen by
                                                                other connections; slower
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psycopg
import pytest
from django.utils.translation.reloader import translation_file_changed

from kvit.platform import files
from kvit.platform.db.roles import Access
from kvit.web import translation
from tests import database, statements

translation.ensure_compiled()
# Django's models, read before this, have had the catalogue as it was.
translation_file_changed(None, translation.COMPILED)
# How long a machine under load takes for an example says nothing about the code.
hypothesis.settings.register_profile(
    "kvit", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("kvit")
os.environ.pop("KVIT_CALLED_AS", None)  # `./kvit test`: texts are compared as they are written

if TYPE_CHECKING:
    from kvit.parties.rows import Tenant


DATABASE = {"db", "transactional_db", "worker_access", "django_db_setup"}


def pytest_configure(config: pytest.Config) -> None:
    if statements.FOLDER:
        way = statements.Chooser if statements.IS_SECOND else statements.Recorder
        config.pluginmanager.register(way(Path(statements.FOLDER)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a database, so that `-m database` tries a second server with that alone:
    the others cannot tell which server there is."""
    for item in items:
        asked = DATABASE & set(getattr(item, "fixturenames", ()))
        if asked or item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.database)


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def tenant(db: None, now: datetime) -> Iterator["Tenant"]:
    """A company in roubles and Moscow's time, with its scope entered."""
    from kvit.parties.rows import TenantRow
    from kvit.parties.services import create_tenant
    from kvit.platform.tenancy import tenant_scope

    row = TenantRow("acme", "ООО «Акме»", currency="RUB", zone="Europe/Moscow")
    made = create_tenant(row, actor="cli:test", now=now)
    with tenant_scope(made.id):
        yield made


@pytest.fixture(scope="session")
def worker_access(django_db_blocker: Any) -> Iterator[Access]:
    """How to reach this worker's own database."""
    with django_db_blocker.unblock(), database.worker_database(database.server()) as access:
        yield access


@pytest.fixture(scope="session")
def owner(worker_access: Access) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the tables' owner. Tests use it to do what the application cannot."""
    with database.owner_connection(worker_access) as connection:
        yield connection


@pytest.fixture(scope="session")
def django_db_setup(owner: psycopg.Connection[Any]) -> Iterator[None]:
    """In place of pytest-django's: the application role may not create or flush databases."""
    from django.test import TransactionTestCase

    def empty(_: TransactionTestCase) -> None:
        from django.db import connection

        connection.close()  # an open transaction would hold the tables against the truncation
        database.empty_all_tables(owner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


@pytest.fixture(scope="session", autouse=True)
def _session(tmp_path_factory: pytest.TempPathFactory) -> None:
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    files.use(tmp_path_factory.mktemp("files"))


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Path]:
    """An empty store of files, for tests that look into it."""
    before = files.folder()
    files.use(tmp_path / "files")
    yield tmp_path / "files"
    files.use(before)
