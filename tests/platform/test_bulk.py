"""Bulk rows: the quick way for few, the staged way for many, alike in what they do."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from kvit.parties.models import Seller
from kvit.parties.rows import Tenant
from kvit.platform import bulk
from kvit.platform.bulk import FEW, NoTransaction, copy_in, update_in
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow, IdempotencyKey
from kvit.platform.tenancy import WrongTenant

COLUMNS = ("id", "actor", "origin", "at", "action", "object_type", "object_id", "after", "reason")
AT = datetime(2026, 1, 1, tzinfo=UTC)
SIZES = [1, FEW, FEW + 1, 1000]


def audit_row(n: int) -> tuple[object, ...]:
    after = {"n": n, "text": "строка \t\\N 'x' %s\n", "sum": Decimal("1.10"), "none": None}
    return (uuid7(), "t", "", AT, f"a{n}", "o", str(n), after, "€ \\. \x01")


@pytest.mark.parametrize("count", SIZES)
def test_rows_arrive_as_given(tenant: Tenant, count: int) -> None:
    rows = [audit_row(n) for n in range(count)]
    copy_in(AuditRow, COLUMNS, iter(rows))
    found = AuditRow.objects.filter(object_type="o").order_by("id")
    assert list(found.values_list("id", flat=True)) == [row[0] for row in rows]
    first = found[0]
    assert first.tenant_id == tenant.id
    assert first.after == {"n": 0, "text": "строка \t\\N 'x' %s\n", "sum": "1.10", "none": None}
    assert first.before is None
    assert first.reason == "€ \\. \x01"


@pytest.mark.parametrize("count", SIZES)
def test_twice_in_a_transaction_adds_each_row_once(tenant: Tenant, count: int) -> None:
    with transaction.atomic():
        copy_in(AuditRow, COLUMNS, [audit_row(n) for n in range(count)])
        copy_in(AuditRow, COLUMNS, [audit_row(n) for n in range(count)])
    assert AuditRow.objects.filter(object_type="o").count() == 2 * count


@pytest.mark.parametrize("count", SIZES)
def test_conflicts_and_returning(tenant: Tenant, count: int) -> None:
    def insert(start: int) -> list[tuple[object, ...]]:
        rows = [(uuid7(), "s", str(n), "h") for n in range(start, start + count)]
        return copy_in(
            IdempotencyKey,
            ("id", "scope", "key", "request_hash"),
            rows,
            on_conflict="(tenant_id, scope, key) DO NOTHING",
            returning=("key",),
        )

    assert sorted(insert(0)) == sorted((str(n),) for n in range(count))
    assert insert(1) == [(str(count),)]


@pytest.mark.parametrize("count", SIZES)
def test_a_failed_bulk_leaves_nothing_behind(tenant: Tenant, count: int) -> None:
    rows = [audit_row(n) for n in range(count)]
    for _ in range(2):
        with pytest.raises(IntegrityError), transaction.atomic():
            copy_in(AuditRow, COLUMNS, [*rows, rows[0]])
        assert AuditRow.objects.filter(object_type="o").count() == 0
    copy_in(AuditRow, COLUMNS, rows)
    assert AuditRow.objects.filter(object_type="o").count() == count


def test_an_error_of_the_stage_is_djangos(tenant: Tenant) -> None:
    rows = [("not a uuid", *audit_row(n)[1:]) for n in range(FEW + 1)]
    with pytest.raises(DataError), transaction.atomic():
        copy_in(AuditRow, COLUMNS, rows)


def test_no_rows_are_no_statement(tenant: Tenant, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert copy_in(AuditRow, COLUMNS, []) == []
        assert update_in(Seller, ("name",), []) == 0


def test_a_table_by_name_gives_its_own_tenant(tenant: Tenant) -> None:
    copy_in(
        "platform_idempotencykey",
        ("id", "tenant_id", "scope", "key", "request_hash"),
        [(uuid7(), tenant.id, "s", str(n), "h") for n in range(100)],
    )
    assert IdempotencyKey.objects.count() == 100


def test_another_tenants_rows_are_refused(tenant: Tenant) -> None:
    from django.db import ProgrammingError

    for count in (1, 100):
        rows = [(uuid7(), uuid4(), "s", str(n), "h") for n in range(count)]
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            copy_in(IdempotencyKey, ("id", "tenant_id", "scope", "key", "request_hash"), rows)


@pytest.mark.parametrize("count", SIZES)
def test_update_sets_the_rows_named(tenant: Tenant, count: int) -> None:
    ids = [uuid7() for _ in range(count)]
    columns = ("id", "code", "name", "vat", "price_basis", "series", "approval", "four_eyes")
    fixed = {"kpp": "", "inn": ""}
    blank = [f.column for f in Seller._meta.local_concrete_fields]
    rest = [c for c in blank if c not in (*columns, "tenant_id", *fixed)]
    copy_in(
        Seller,
        (*columns, *fixed, *rest),
        [
            (id_, str(n), "before", "auto", "net", "", False, False, "", "", *("" for _ in rest))
            for n, id_ in enumerate(ids)
        ],
    )
    wanted = [(id_, f"after {n}", n % 2 == 0) for n, id_ in enumerate(ids)]
    stranger: list[tuple[UUID, str, bool]] = [(uuid4(), "nobody", True)]
    assert update_in(Seller, ("name", "approval"), wanted + stranger) == count
    found = Seller.objects.order_by("id").values_list("id", "name", "approval")
    assert list(found) == sorted(wanted)


@pytest.mark.parametrize("count", SIZES)
def test_update_sets_null_and_refuses_what_is_too_long(tenant: Tenant, count: int) -> None:
    ids = [uuid7() for _ in range(count)]
    columns = ("id", "scope", "key", "request_hash", "response")
    copy_in(IdempotencyKey, columns, [(key, "s", str(key), "h", {"n": 1}) for key in ids])
    with pytest.raises(DataError), transaction.atomic():
        update_in(IdempotencyKey, ("request_hash",), [(key, "h" * 10_000) for key in ids])
    assert update_in(IdempotencyKey, ("response",), [(key, None) for key in ids]) == count
    found = IdempotencyKey.objects.filter(response__isnull=True, request_hash="h")
    assert found.count() == count


@pytest.mark.django_db(transaction=True)
def test_a_transaction_is_asked_for(tenant: Tenant) -> None:
    with pytest.raises(NoTransaction):
        copy_in(AuditRow, COLUMNS, [audit_row(1)])
    staged = []
    for _ in range(2):  # the same connection, the stage of before
        with transaction.atomic():
            copy_in(AuditRow, COLUMNS, [audit_row(n) for n in range(100)])
            with connection.cursor() as cursor:
                cursor.execute("SELECT relname FROM pg_class WHERE relname LIKE 'stage_%%'", [])
                staged.append({name for (name,) in cursor.fetchall()})
    assert staged[0] == staged[1]
    assert sum(name.startswith("stage_platform_auditrow") for name in staged[0]) == 1
    assert AuditRow.objects.filter(object_type="o").count() == 200


@pytest.mark.django_db
def test_a_scope_is_asked_for() -> None:
    with pytest.raises(WrongTenant):
        copy_in(AuditRow, COLUMNS, [audit_row(1)])
    assert bulk.FEW > 1
