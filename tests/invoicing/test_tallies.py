"""What is kept of documents answers what the documents do, whatever happened to them."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from kvit.invoicing import _figures, _listing, queries, services
from kvit.invoicing.models import Invoice, Tally
from kvit.invoicing.queries import InvoiceFilter
from tests.invoicing.company import ACTOR, LATER, NOVEMBER, bill, customer_id, invoice

pytestmark = pytest.mark.usefixtures("billed")
FILTERS = [
    InvoiceFilter(),
    InvoiceFilter(issued_from=date(2026, 11, 10)),
    InvoiceFilter(issued_to=date(2026, 11, 10)),
    InvoiceFilter(period_from=NOVEMBER.start, kind="invoice"),
    InvoiceFilter(kind="credit_note", currency="RUB"),
    InvoiceFilter(waits_for="approval"),
]


def answers() -> list[Any]:
    """Return what pages ask, of every filter: by documents where the tallies are not looked at."""
    spans = [(date(2026, 10, 1), date(2026, 11, 10)), (date(2026, 11, 10), date(2027, 1, 1))]
    return [
        [queries.totals(one) for one in FILTERS],
        [queries.listed(replace(one, tab=tab)).count for one in FILTERS for tab in queries.TABS],
        queries.issued_within(spans),
        queries.issued_by_month(date(2026, 1, 1), date(2027, 1, 1)),
        queries.issued_in_all(),
    ]


def by_documents(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    with monkeypatch.context() as patched:
        patched.setattr(_listing, "is_tallied", lambda wanted: False)
        patched.setattr(_figures.parties, "reach", lambda: frozenset({"any"}))
        return answers()


def test_tallies_follow_every_fate_of_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    def agree() -> None:
        assert answers() == by_documents(monkeypatch)
        assert [one.code for one in queries.problems()] == []

    agree()
    north, south = invoice("north").id, invoice("south").id
    services.credit(north, {1: 30_000}, reason="Простой", author=ACTOR, now=LATER)
    agree()
    assert tabs() == {"issued": 1, "corrected": 1, "corrections": 1}
    services.void(south, reason="Ошибка", author=ACTOR, now=LATER)
    agree()
    assert tabs() == {"corrected": 1, "void": 1, "corrections": 2}
    services.credit(north, {1: 100}, reason="Ещё", author=ACTOR, now=LATER)
    agree()
    bill(NOVEMBER)
    agree()
    before = answers()
    assert services.merge_tallies() > 0
    assert services.merge_tallies() == 0
    assert answers() == before
    agree()


def tabs() -> dict[str, int]:
    found = queries.totals(InvoiceFilter())
    return {tab: one.count for tab, one in found.items() if one.count and tab != "all"}


def test_a_draft_is_tallied_until_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Invoice.objects.get(pk=invoice("north").id)
    first, second = (
        Invoice.objects.create(
            seller_id=row.seller_id, customer_id=customer_id("north"), currency="RUB",
            billed_in=NOVEMBER.start, period_start=NOVEMBER.start, period_end=NOVEMBER.end,
            net_minor=n, vat_minor=0, total_minor=n, vat_rounding="document", author=ACTOR,
            created_at=LATER, waits_for="outlier",
        )
        for n in (100, 700)
    )  # fmt: skip
    assert queries.totals(InvoiceFilter(waits_for="outlier"))["drafts"].sums == {"RUB": 800}
    assert answers() == by_documents(monkeypatch)
    Invoice.objects.filter(pk=second.pk).update(waits_for="approval")
    assert queries.totals(InvoiceFilter(waits_for="approval"))["drafts"].sums == {"RUB": 700}
    services.refuse([first.pk, second.pk], reason="Лишние", actor=ACTOR, now=LATER)
    assert tabs() == {"issued": 2}
    assert answers() == by_documents(monkeypatch)


def test_a_tally_that_differs_is_found() -> None:
    Tally.objects.filter(tab="issued").update(total_minor=1)
    [found] = [one for one in queries.problems() if "tally" in one.code]
    assert (found.code, found.row) == (
        "invoicing_tally_not_the_documents",
        "tally:issued 2026-10-31",
    )
    assert found.detail == "2 documents, 2 kept; 366000 RUB, 1 kept"
    Tally.objects.filter(tab="issued").update(total_minor=366_000)
