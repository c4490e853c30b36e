"""Credit and debit notes: a document of its own, at the original's rate, within the original."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from kvit.core.bookkeeping import InvoiceFact, Share, invoice_entries
from kvit.documents.compose import compose
from kvit.invoicing import queries, services
from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.ledger import queries as ledger
from kvit.ledger.models import Posting
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow, EventLog
from tests.invoicing.company import (
    ACTOR,
    LATER,
    bill,
    customer_id,
    invoice,
    lines,
    seller_id,
    sums,
)

pytestmark = pytest.mark.usefixtures("billed")
WHY = "Простой 3 дня"


def credit(chosen: dict[int, int | None], customer: str = "north", **more: Any) -> Any:
    key = invoice(customer).id
    return services.credit(key, chosen, reason=WHY, author=ACTOR, now=LATER, **more)


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Invoice, InvoiceLine, Posting, EventLog))


def test_a_credit_note_takes_part_of_a_line_with_its_vat() -> None:
    before = invoice()
    assert lines(before) == [("fee", 100_000, 22_000), ("calls", 100_000, 22_000)]
    note = queries.by_ids([credit({1: 30_000})])[0]
    assert sums(note) == ("credit_note", -30_000, -6_600, -36_600)
    assert lines(note) == [("fee", -30_000, -6_600)]
    assert (note.number, note.issued_on) == ("2026-00003", date(2026, 11, 10))
    assert (note.corrects_id, note.reason, note.author) == (before.id, WHY, ACTOR)
    assert invoice() == before


def test_the_last_credit_takes_what_is_left_to_the_kopeck() -> None:
    for amount in (33_333, 33_333, None):
        credit({1: amount})
    notes = [sums(one)[1:] for one in queries.corrections_of(invoice().id)]
    assert notes == [
        (-33_333, -7_333, -40_666),
        (-33_333, -7_334, -40_667),
        (-33_334, -7_333, -40_667),
    ]
    assert [sum(column) for column in zip(*notes, strict=True)] == [-100_000, -22_000, -122_000]
    with pytest.raises(services.CorrectionRefused, match="credited already"):
        credit({1: None})


def test_vat_keeps_the_rate_of_the_original() -> None:
    """The credit of a service of 2025 is at 20 %, whatever holds when it is written."""
    from kvit.core.periods import Period
    from tests.invoicing.company import subscribe

    december = Period(date(2025, 12, 1), date(2026, 1, 1))
    subscribe("n-2", "north", "pro", december.start)
    bill(december)
    old = invoice("north", december)
    assert lines(old) == [("fee", 100_000, 20_000)]
    key = services.credit(old.id, {1: 50_000}, reason=WHY, author=ACTOR, now=LATER)
    assert lines(queries.by_ids([key])[0]) == [("fee", -50_000, -10_000)]


def test_a_debit_note_asks_for_more_and_can_be_credited_again() -> None:
    key = services.debit(invoice().id, {2: 5_000}, reason=WHY, author=ACTOR, now=LATER)
    assert sums(queries.by_ids([key])[0]) == ("debit_note", 5_000, 1_100, 6_100)
    note = queries.by_ids([credit({2: None})])[0]
    assert lines(note) == [("calls", -105_000, -23_100)]


@pytest.mark.parametrize("lines", [{1: 10**15 + 1}, {1: 10**15, 2: 1}, {1: 10**30}])
def test_more_than_can_be_kept_is_not_debited(lines: dict[int, int]) -> None:
    before = counts()
    with pytest.raises(services.CorrectionRefused) as refused:
        services.debit(invoice().id, lines, reason=WHY, author=ACTOR, now=LATER)
    assert refused.value.code == "debit_too_large"
    assert "10,000,000,000,000.00" in refused.value.text("en")
    assert counts() == before


def test_a_correction_posts_on_its_own_day_and_shows_from_then_on() -> None:
    north = customer_id("north")
    credit({1: 30_000})

    def owed(day: date) -> int:
        rows = ledger.receivables_by_customer(seller_id(), on=day)
        return {one.customer_id: one.balance_minor for one in rows}.get(north, 0)

    assert [owed(date(2026, 10, 30)), owed(date(2026, 10, 31))] == [0, 244_000]
    assert [owed(date(2026, 11, 9)), owed(date(2026, 11, 10))] == [244_000, 207_400]
    november = ledger.trial_balance(seller_id(), since=date(2026, 11, 1), until=date(2026, 12, 1))
    moved = {row.account: (row.debit_minor, row.credit_minor) for row in november}
    assert moved["62.01"] == (0, 36_600)
    assert moved["90.01"] == (36_600, 0)
    assert moved["68.02"] == (6_600, 0)
    assert moved["90.03"] == (0, 6_600)


def test_the_postings_are_those_of_the_correction_as_a_document() -> None:
    key = credit({1: 30_000})
    share = Share(-30_000, -6_600, date(2026, 10, 31))
    fact = InvoiceFact("RUB", date(2026, 11, 10), (share,))
    posted = Posting.objects.filter(source=f"invoice:{key}").order_by("line")
    assert [(one.amount_minor, one.effective_on) for one in posted] == [
        (entry.amount_minor, entry.effective_on) for entry in invoice_entries(fact)
    ]


def test_it_is_told_and_recorded_with_before_and_after() -> None:
    key = credit({1: 30_000})
    told = EventLog.objects.filter(topic="invoicing.invoice.issued").order_by("-id").first()
    assert (told.payload["kind"], told.payload["total_minor"]) == ("credit_note", -36_600)
    assert told.key == str(invoice().id)
    row = AuditRow.objects.get(action="invoicing.invoice.credit_note")
    assert (row.object_id, row.reason, row.actor) == (str(invoice().id), WHY, ACTOR)
    assert row.before == {"left_minor": 244_000}
    assert row.after == {"left_minor": 207_400, "document": str(key), "waits_for": ""}


def test_it_is_printed_as_a_correction_of_its_original() -> None:
    key = credit({1: 30_000})
    [(_, kind, document)] = compose([key])
    assert (kind, document.total_minor, document.reason) == ("credit_note", -36_600, WHY)
    assert document.corrects is not None
    assert document.corrects.number == "2026-00001"


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ({1: 100_001}, "exceeds_line"),
        ({3: 1}, "line_unknown"),
        ({1: 0}, "amount_not_positive"),
        ({1: -5}, "amount_not_positive"),
        ({}, "no_line_chosen"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    chosen: dict[int, int | None], code: str
) -> None:
    before = counts()
    with pytest.raises(services.CorrectionRefused) as refused:
        credit(chosen)
    assert refused.value.code == code
    assert refused.value.text("ru")
    assert refused.value.text("en")
    assert counts() == before


def test_no_correction_without_a_reason_or_of_a_correction() -> None:
    note = credit({1: 1_000})
    before = counts()
    with pytest.raises(services.CorrectionRefused) as refused:
        services.credit(note, {1: 1}, reason=WHY, author=ACTOR, now=LATER)
    assert refused.value.code == "not_an_invoice"
    with pytest.raises(services.CorrectionRefused) as refused:
        services.debit(invoice().id, {1: 1}, reason=" ", author=ACTOR, now=LATER)
    assert refused.value.code == "reason_missing"
    assert counts() == before


def test_the_database_refuses_more_than_the_invoice_whoever_writes_it() -> None:
    credit({1: 90_000})
    forged = _copy_of(credit({2: 10_000}))
    sums = {"net_minor": -200_000, "vat_minor": -44_000, "total_minor": -244_000}
    InvoiceLine.objects.filter(invoice_id=forged).update(corrects_line_id=None, **sums)
    Invoice.objects.filter(pk=forged).update(**sums)
    with pytest.raises(IntegrityError, match="of 244000 is left of invoice"):
        _issue(forged)


def test_the_database_refuses_a_line_beyond_its_own() -> None:
    credit({1: 95_000})
    forged = _copy_of(credit({1: 4_000}))
    with pytest.raises(IntegrityError, match="of 122000 is left of line"):
        _issue(forged)


def test_the_database_refuses_the_original_of_a_stranger() -> None:
    forged = _copy_of(credit({1: 4_000}))
    Invoice.objects.filter(pk=forged).update(corrects_id=invoice("south").id)
    with pytest.raises(IntegrityError, match="no issued invoice of the same"):
        _issue(forged)


def test_approving_what_fits_no_more_is_refused_in_words() -> None:
    forged = _copy_of(credit({1: 60_000}))
    with pytest.raises(services.CorrectionRefused) as refused:
        services.approve([forged], approver="user:8", now=LATER)
    assert refused.value.code == "fits_no_more"
    assert "2026-00001" in refused.value.text("en")
    assert Invoice.objects.get(pk=forged).status == "draft"


def test_a_seller_who_approves_gets_a_draft_that_counts_as_taken() -> None:
    _wants_approval()
    key = credit({1: 60_000})
    waiting = queries.by_ids([key])[0]
    assert (waiting.status, waiting.waits_for, waiting.number) == ("draft", "approval", "")
    with pytest.raises(services.CorrectionRefused) as refused:
        credit({1: 60_000})
    assert refused.value.code == "exceeds_line"
    services.approve([key], approver="user:8", now=LATER)
    issued = Invoice.objects.get(pk=key)
    assert (issued.status, issued.author, issued.approver) == ("issued", ACTOR, "user:8")
    assert sums(queries.by_ids([key])[0]) == ("credit_note", -60_000, -13_200, -73_200)


def _wants_approval() -> None:
    from kvit.parties import services as parties
    from kvit.parties.rows import SellerRow

    row = SellerRow("main", "ООО «Акме»", approval=True)
    parties.apply_sellers([row], actor=ACTOR, now=LATER, reason="test")


def _copy_of(key: UUID) -> UUID:
    """Write a draft like the given correction, as somebody at the database's prompt might."""
    forged = uuid7()
    one = Invoice.objects.get(pk=key)
    rows = list(InvoiceLine.objects.filter(invoice=one))
    one.pk, one.status, one.number, one.issued_on, one.issued_at = forged, "draft", None, None, None
    one.series = one.number_text = ""
    one.save(force_insert=True)
    for row in rows:
        row.pk, row.invoice_id = uuid7(), forged
        row.save(force_insert=True)
    return forged


@transaction.atomic
def _issue(key: UUID) -> None:
    Invoice.objects.filter(pk=key).update(
        status="issued", number=99, issued_on=LATER.date(), issued_at=LATER
    )
