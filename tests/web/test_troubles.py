"""Trouble of the database that passes: what pages and API say while it lasts."""

import errno
import os
import re
from collections.abc import Iterator

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from psycopg import errors

from kvit.parties.models import Customer
from kvit.parties.rows import Tenant
from kvit.platform.db.base import break_off_after
from kvit.platform.tenancy import tenant_scope
from kvit.web.troubles import trouble_of
from tests.web.conftest import Office

STATES: list[tuple[psycopg.Error, str, str]] = [
    (errors.DiskFull(), "database_disk_full", "30"),
    (errors.QueryCanceled(), "took_too_long", "60"),
    (errors.DeadlockDetected(), "database_busy", "1"),
    (errors.LockNotAvailable(), "database_busy", "1"),
    (errors.SerializationFailure(), "database_busy", "1"),
    (errors.AdminShutdown(), "database_away", "10"),
    (errors.CannotConnectNow(), "database_away", "10"),
    (errors.ConnectionFailure(), "database_away", "10"),
    (errors.TooManyConnections(), "database_away", "10"),
    (errors.ReadOnlySqlTransaction(), "database_away", "10"),
    (psycopg.OperationalError("the server closed the connection unexpectedly"), "database_away",
     "10"),
]  # fmt: skip


@pytest.fixture
def patience() -> Iterator[None]:
    yield
    break_off_after(0)


def raising(cause: BaseException, kind: type[Exception] = OperationalError) -> Exception:
    found = kind("told by the database")
    found.__cause__ = cause
    return found


@pytest.mark.parametrize(("cause", "code", "seconds"), STATES, ids=lambda one: str(one)[:20])
def test_a_page_and_the_api_say_when_to_come_again(
    office: Office, monkeypatch: pytest.MonkeyPatch, cause: psycopg.Error, code: str, seconds: str
) -> None:
    client = office("accountant")

    def fail(*_: object, **__: object) -> None:
        raise raising(cause)

    with monkeypatch.context() as patch:
        patch.setattr("kvit.invoicing.queries.listed", fail)
        page = client.get("/office/invoices/")
        told = client.get("/api/v1/invoices")
    assert (page.status_code, page.headers["Retry-After"]) == (503, seconds)
    assert re.search(rf"через {seconds} с\b", page.content.decode())
    assert (told.status_code, told.headers["Retry-After"]) == (503, seconds)
    assert told.json()["code"] == code
    assert client.get("/office/invoices/").status_code == 200


def test_a_gate_that_cannot_ask_its_database_says_so_too(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = office("accountant")
    client.raise_request_exception = False

    def fail(*_: object, **__: object) -> None:
        raise raising(psycopg.OperationalError("connection refused"))

    monkeypatch.setattr("kvit.web.access.decide", fail)
    monkeypatch.setattr("kvit.web.access._person_of_api", fail)
    page, told = client.get("/office/"), client.get("/api/v1/invoices")
    assert (page.status_code, told.status_code) == (503, 503)
    assert "База сейчас недоступна" in page.content.decode()
    assert told.json()["code"] == "database_away"


def test_a_full_disk_of_the_server_is_told_as_such(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = office("accountant")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("kvit.invoicing.queries.listed", fail)
    page, told = client.get("/office/invoices/"), client.get("/api/v1/invoices")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "30")
    assert "На диске сервера нет места" in page.content.decode()
    assert (told.status_code, told.json()["code"]) == (503, "server_disk_full")
    assert trouble_of(FileNotFoundError(errno.ENOENT, "x")) is None


def test_what_is_no_trouble_of_the_database_stays_a_fault_of_ours() -> None:
    assert trouble_of(raising(errors.UndefinedTable(), OperationalError)) is None
    assert trouble_of(ValueError("x")) is None
    assert trouble_of(None) is None
    lost = trouble_of(raising(psycopg.InterfaceError("closed"), InterfaceError))
    assert lost is not None
    assert lost.code == "database_away"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("patience")
def test_a_statement_that_takes_too_long_is_broken_off_with_all_that_it_did(tenant: Tenant) -> None:
    break_off_after(0.05)
    with tenant_scope(tenant.id):
        before = Customer.objects.count()
        with pytest.raises(OperationalError) as broken, connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        assert Customer.objects.count() == before
    found = trouble_of(broken.value)
    assert found is not None
    assert found.code == "took_too_long"
    break_off_after(0)
    with tenant_scope(tenant.id), connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")  # nothing is left on the session
        assert cursor.fetchone() == ("0",)


def test_the_plain_page_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(raise_request_exception=False)

    def fail(*_: object, **__: object) -> None:
        raise raising(psycopg.OperationalError("connection refused"))

    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", fail)
    monkeypatch.setattr("kvit.web.access.decide", fail)
    assert client.get("/office/").status_code == 503
