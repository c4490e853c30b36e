"""Fixtures of all tests. A test that asks for none of the database's stays without it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from kvit.platform.db.roles import Access
from tests import database

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """The address of an administrator of the server that the tests use."""
    yield os.environ["KVIT_TEST_DATABASE_URL"]


@pytest.fixture(scope="session")
def worker_access(database_server: str, django_db_blocker: Any) -> Iterator[Access]:
    with django_db_blocker.unblock(), database.worker_database(database_server) as access:
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
def _cheap_passwords() -> None:
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def now() -> datetime:
    return NOW
