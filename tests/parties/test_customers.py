"""Customers: sets of rows, payers, personal data."""

import hashlib
import json
from dataclasses import replace
from datetime import datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from kvit.parties import queries
from kvit.parties.models import Customer, PersonalImage
from kvit.parties.rows import Changes, CustomerRow, Tenant
from kvit.parties.services import CodeTwice, CustomerRefused, apply_customers
from kvit.platform import bulk
from kvit.platform.models import AuditRow, EventLog

IVAN = CustomerRow(
    "ivan",
    "Иван Ёлкин",
    kind="person",
    inn="500100732259",
    email="ivan@example.org",
    phone="+7 900 000-00-00",
    address="Москва, ул. Ленина, 1",
    zone="Asia/Yekaterinburg",
    currency="USD",
    segment="vip",
    branch="north",
)
FIRM = CustomerRow("firm", "ООО «Фирма»")


def apply(*rows: CustomerRow, now: datetime) -> Changes:
    return apply_customers(rows, actor="cli:test", now=now, reason="import")


def counts() -> tuple[int, int, int, int]:
    about = {"object_type": "parties.customer"}
    return (
        Customer.objects.count(),
        AuditRow.objects.filter(**about).count(),
        EventLog.objects.filter(topic__startswith="parties.customer").count(),
        PersonalImage.objects.count(),
    )


def test_rows_come_back_as_they_were_given(tenant: Tenant, now: datetime) -> None:
    assert apply(IVAN, FIRM, now=now) == Changes(created=("ivan", "firm"))
    found = queries.customers_by_code(["firm", "ivan", "nobody"])
    assert {code: one.row for code, one in found.items()} == {"ivan": IVAN, "firm": FIRM}
    assert (found["ivan"].zone, found["ivan"].currency) == ("Asia/Yekaterinburg", "USD")
    assert (found["firm"].zone, found["firm"].currency) == ("Europe/Moscow", "RUB")
    assert found["firm"].payer_id == found["firm"].id
    ids = [one.id for one in found.values()]
    assert {one.row.code for one in queries.customers_by_id(ids).values()} == {"ivan", "firm"}
    assert queries.customers() == found


def test_the_same_again_changes_nothing(tenant: Tenant, now: datetime) -> None:
    apply(IVAN, FIRM, now=now)
    before = counts()
    assert apply(FIRM, IVAN, now=now) == Changes(unchanged=("firm", "ivan"))
    assert counts() == before == (2, 2, 2, 2)


def test_a_change_is_told_and_audited_without_the_person(tenant: Tenant, now: datetime) -> None:
    apply(IVAN, FIRM, now=now)
    changed = replace(IVAN, email="new@example.org", segment="")
    result = apply(changed, FIRM, now=now)
    assert result == Changes(changed=("ivan",), unchanged=("firm",))
    assert queries.customers_by_code(["ivan"])["ivan"].row == changed

    row = AuditRow.objects.get(action="customer.changed")
    assert (row.actor, row.at, row.reason) == ("cli:test", now, "import")
    assert (row.before["segment"], row.after["segment"]) == ("vip", "")
    images = queries.personal_images([row.before["personal"], row.after["personal"]])
    assert images[row.before["personal"]]["email"] == "ivan@example.org"
    assert images[row.after["personal"]]["email"] == "new@example.org"

    fact = EventLog.objects.get(topic="parties.customer.changed")
    assert fact.key == row.object_id == fact.payload["id"]
    assert fact.payload["fields"] == ["email", "segment"]


def test_nothing_personal_stands_outside_the_parties(tenant: Tenant, now: datetime) -> None:
    apply(IVAN, now=now)
    apply(replace(IVAN, phone="+7 911 111-11-11", name="Иван Соснин"), now=now)
    texts = [json.dumps([row.before, row.after]) for row in AuditRow.objects.all()]
    texts += [json.dumps(row.payload) for row in EventLog.objects.all()]
    for secret in (IVAN.name, IVAN.inn, IVAN.email, IVAN.phone, IVAN.address, "Соснин", "+7 911"):
        needle = json.dumps(secret)[1:-1]
        assert not [text for text in texts if needle in text]


def test_a_digest_is_that_of_salt_and_fields(tenant: Tenant, now: datetime) -> None:
    apply(IVAN, now=now)
    image = PersonalImage.objects.get()
    text = json.dumps(image.fields, ensure_ascii=False, sort_keys=True)
    assert image.digest == hashlib.sha256(f"{image.salt}{text}".encode()).hexdigest()
    assert set(image.fields) == {"name", "inn", "email", "phone", "address", "ogrn", "account"}
    assert AuditRow.objects.get(action="customer.created").after["personal"] == image.digest


def test_a_change_of_nothing_personal_takes_no_image(tenant: Tenant, now: datetime) -> None:
    apply(IVAN, now=now)
    apply(replace(IVAN, segment="std"), now=now)
    row = AuditRow.objects.get(action="customer.changed")
    assert row.before["personal"] == row.after["personal"]
    assert PersonalImage.objects.count() == 1


def test_a_payer_may_come_in_the_same_set_in_any_order(tenant: Tenant, now: datetime) -> None:
    apply(replace(IVAN, payer="firm"), FIRM, now=now)
    found = queries.customers()
    assert found["ivan"].payer_id == found["firm"].id
    assert found["ivan"].row.payer == "firm"
    apply(IVAN, now=now)
    assert queries.customers()["ivan"].payer_id == found["ivan"].id


@pytest.mark.parametrize(
    ("present", "rows", "code"),
    [
        ((), (replace(IVAN, payer="nobody"),), "payer_unknown"),
        ((), (replace(IVAN, payer="ivan"),), "payer_is_self"),
        ((), (replace(IVAN, payer="firm"), replace(FIRM, payer="ivan")), "payer_has_payer"),
        (
            (FIRM, replace(IVAN, payer="firm")),
            (CustomerRow("third", "Third", payer="ivan"),),
            "payer_has_payer",
        ),
        (
            (FIRM, replace(IVAN, payer="firm")),
            (CustomerRow("third", "Third"), replace(FIRM, payer="third")),
            "payer_has_payer",
        ),
        ((), (replace(IVAN, zone="Europe/Nowhere"),), "zone_unknown"),
        ((), (replace(IVAN, currency="RUR"),), "currency_unknown"),
    ],
)
def test_a_refused_row_leaves_its_whole_set_undone(
    tenant: Tenant,
    now: datetime,
    present: tuple[CustomerRow, ...],
    rows: tuple[CustomerRow, ...],
    code: str,
) -> None:
    apply(*present, now=now)
    before = counts()
    with pytest.raises(CustomerRefused) as caught:
        apply(CustomerRow("innocent", "Innocent"), *rows, now=now)
    assert caught.value.code == code
    assert caught.value.text("ru") != caught.value.text("en")
    assert counts() == before


def test_a_payer_may_change_places_in_one_set(tenant: Tenant, now: datetime) -> None:
    apply(FIRM, replace(IVAN, payer="firm"), now=now)
    apply(IVAN, replace(FIRM, payer="ivan"), now=now)
    found = queries.customers()
    assert found["firm"].payer_id == found["ivan"].id == found["ivan"].payer_id


def test_a_code_twice_is_refused(tenant: Tenant, now: datetime) -> None:
    with pytest.raises(CodeTwice) as caught:
        apply(IVAN, FIRM, replace(IVAN, name="Other"), now=now)
    assert "ivan" in caught.value.text("ru")
    assert counts() == (0, 0, 0, 0)


def test_the_database_refuses_what_the_service_did_not_see(tenant: Tenant, now: datetime) -> None:
    apply(IVAN, now=now)
    ivan = Customer.objects.get()
    for change in ({"kind": "alien"}, {"payer_id": ivan.id}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Customer.objects.update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        Customer.objects.create(code="ivan", name="", kind="person")


def test_a_large_set_takes_as_few_statements_as_a_small_one(tenant: Tenant, now: datetime) -> None:
    few = statements_of_creating_and_changing("few", bulk.FEW + 1, now)
    assert statements_of_creating_and_changing("many", 2_000, now) == few
    assert max(few) < 25
    made = bulk.FEW + 1 + 2_000
    assert counts() == (made, 2 * made, 2 * made, made)


def statements_of_creating_and_changing(prefix: str, count: int, now: datetime) -> tuple[int, int]:
    rows = [CustomerRow(f"{prefix}{n}", f"Клиент {n}") for n in range(count)]
    with CaptureQueriesContext(connection) as creating:
        assert len(apply(*rows, now=now).created) == count
    first = rows[0].code
    rows = [replace(row, segment="x", payer="" if row.code == first else first) for row in rows]
    with CaptureQueriesContext(connection) as changing:
        assert len(apply(*rows, now=now).changed) == count
    return len(creating), len(changing)


def test_a_search_text_is_lower_case_and_without_yo(tenant: Tenant, now: datetime) -> None:
    apply(IVAN, now=now)
    assert Customer.objects.get().search == (
        "ivan иван елкин 500100732259 ivan@example.org +7 900 000-00-00"
    )
