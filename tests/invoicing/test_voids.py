"""A void: the whole taken back, the books mirrored, the charges taken back with it."""

from collections import defaultdict
from datetime import date, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from kvit.documents.compose import compose
from kvit.invoicing import queries, services
from kvit.invoicing.models import Invoice
from kvit.ledger import queries as ledger
from kvit.ledger.models import Posting
from kvit.metering import services as metering
from kvit.platform.ids import uuid7
from kvit.rating.models import Charge
from tests.invoicing.company import (
    ACTOR,
    LATER,
    NOVEMBER,
    OCTOBER,
    amend,
    bill,
    documents,
    invoice,
    lines,
    seller_id,
    subscribe,
    sums,
    use,
)

pytestmark = pytest.mark.usefixtures("billed")
WHY = "Выставлен не тому"
DAY = date(2026, 11, 10)


def void(key: UUID | None = None, *, again: bool = False) -> UUID:
    key = key or invoice().id
    return services.void(key, reason=WHY, author=ACTOR, now=LATER, again=again)


def credit(chosen: dict[int, int | None]) -> UUID:
    return services.credit(invoice().id, chosen, reason=WHY, author=ACTOR, now=LATER)


def postings(*keys: UUID) -> list[tuple[str, str, int, date]]:
    rows = Posting.objects.filter(source__in=[f"invoice:{key}" for key in keys])
    return [(one.debit, one.credit, one.amount_minor, one.effective_on) for one in rows]


def charged() -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for price, amount in Charge.objects.filter(subscription_code="n-1").values_list(
        "price_code", "amount_minor"
    ):
        found[price] += amount
    return dict(found)


def test_a_void_is_the_invoice_with_its_signs_turned() -> None:
    original = invoice()
    reversal = queries.by_ids([void()])[0]
    assert sums(reversal) == ("void", -200_000, -44_000, -244_000)
    assert lines(reversal) == [("fee", -100_000, -22_000), ("calls", -100_000, -22_000)]
    assert [line.units for line in reversal.lines] == [-line.units for line in original.lines]
    assert (reversal.corrects_id, reversal.reason) == (original.id, WHY)
    assert (reversal.number, reversal.issued_on) == ("2026-00003", DAY)
    assert invoice() == original
    [(_, kind, _)] = compose([reversal.id])
    assert kind == "reversal"


def test_its_postings_mirror_the_originals_on_its_own_day() -> None:
    original = invoice().id
    mirrored = postings(void())
    assert sorted(mirrored) == sorted(
        (credit, debit, amount, DAY) for debit, credit, amount, _ in postings(original)
    )


def test_every_account_is_as_if_it_had_never_been_from_the_void_on() -> None:
    south = ledger.receivables_by_customer(seller_id(), on=DAY)[1:]
    void()
    before = ledger.receivables_by_customer(seller_id(), on=DAY - timedelta(days=1))
    assert [one.balance_minor for one in before] == [244_000, 122_000]
    assert ledger.receivables_by_customer(seller_id(), on=DAY) == south
    assert ledger.balances(seller_id(), on=DAY) == {
        ("62.01", "RUB"): 122_000,
        ("90.01", "RUB"): -122_000,
        ("90.03", "RUB"): 22_000,
        ("68.02", "RUB"): -22_000,
    }
    november = ledger.trial_balance(seller_id(), since=NOVEMBER.start, until=NOVEMBER.end)
    moved = {row.account: (row.debit_minor, row.credit_minor) for row in november}
    assert moved == {
        "62.01": (0, 244_000), "90.01": (244_000, 0), "68.02": (44_000, 0), "90.03": (0, 44_000),
    }  # fmt: skip


def test_revenue_to_come_is_undone_on_the_day_it_would_have_come() -> None:
    subscribe("n-2", "north", "pre", NOVEMBER.start)
    bill(NOVEMBER)
    advance = documents("north", NOVEMBER)[0]
    assert advance.issued_on == date(2026, 11, 30)
    key = void(advance.id)
    assert queries.by_ids([key])[0].issued_on == date(2026, 11, 30)
    assert set(ledger.balances(seller_id(), on=date(2026, 11, 29)).values()) != {0}
    family = postings(advance.id, key)
    assert sum(1 for *_, day in family if day == date(2026, 11, 30)) == len(family)


def test_it_takes_back_what_corrections_left_and_their_postings_too() -> None:
    credits = [credit({1: 30_000}), credit({2: None})]
    debit = services.debit(invoice().id, {1: 7_000}, reason=WHY, author=ACTOR, now=LATER)
    reversal = queries.by_ids([void()])[0]
    assert lines(reversal) == [("fee", -77_000, -16_940)]
    family = [invoice(), *queries.corrections_of(invoice().id)]
    assert [sum(column) for column in zip(*(sums(one)[1:] for one in family), strict=True)] == [
        0, 0, 0,
    ]  # fmt: skip
    moved: dict[str, int] = defaultdict(int)
    for debited, credited, amount, _ in postings(invoice().id, *credits, debit, reversal.id):
        moved[debited] += amount
        moved[credited] -= amount
    assert set(moved.values()) == {0}


def test_after_a_void_nothing_more_is_corrected() -> None:
    void()
    before = Invoice.objects.count()
    for correct in (
        void,
        lambda: credit({1: 1}),
        lambda: services.debit(invoice().id, {1: 1}, reason=WHY, author=ACTOR, now=LATER),
    ):
        with pytest.raises(services.CorrectionRefused) as refused:
            correct()
        assert refused.value.code == "already_void"
    assert Invoice.objects.count() == before


def test_the_database_knows_that_a_void_is_the_last_word() -> None:
    note = credit({1: 5_000})
    void()
    forged = Invoice.objects.get(pk=note)
    forged.pk, forged.number, forged.number_text = uuid7(), 99, "99"
    with pytest.raises(IntegrityError, match="corrections exceed"), transaction.atomic():
        forged.save(force_insert=True)


def test_an_invoice_fully_credited_has_nothing_to_void() -> None:
    credit({1: None, 2: None})
    with pytest.raises(services.CorrectionRefused) as refused:
        void()
    assert refused.value.code == "nothing_left"


def test_the_charges_are_taken_back_and_a_repeated_run_does_not_bring_them_again() -> None:
    void()
    assert charged() == {"fee": 0, "calls": 0}
    before = (Invoice.objects.count(), Charge.objects.count())
    report = bill(OCTOBER)
    assert (report.issued, report.drafts, report.rated.put_off) == ([], [], 0)
    report = bill(NOVEMBER)
    assert [line.starts_on for line in invoice("north", NOVEMBER).lines] == [NOVEMBER.start]
    assert charged()["fee"] == 100_000  # November's
    assert Invoice.objects.count() == before[0] + 2


def test_billed_again_by_the_next_run_at_what_is_known_then() -> None:
    void(again=True)
    use("n-1", 500, date(2026, 10, 11), now=LATER)
    report = bill(OCTOBER)
    assert len(report.issued) == 1
    original, _, fresh = documents("north")
    assert (fresh.kind, fresh.number) == ("invoice", "2026-00004")
    assert sorted(lines(fresh)) == [("calls", 105_000, 23_100), ("fee", 100_000, 22_000)]
    assert charged() == {"fee": 100_000, "calls": 105_000}
    assert (bill(OCTOBER).issued, bill(NOVEMBER).drafts) == ([], [])
    assert [line.price for line in invoice("north", NOVEMBER).lines] == ["fee"]
    assert original.status == "issued"


def test_billed_again_by_the_run_of_a_later_period() -> None:
    void(again=True)
    bill(NOVEMBER)
    assert [(line.price, line.starts_on, line.net_minor) for line in
            sorted(invoice("north", NOVEMBER).lines, key=lambda one: one.starts_on)] == [
        ("fee", OCTOBER.start, 100_000), ("calls", OCTOBER.start, 100_000),
        ("fee", NOVEMBER.start, 100_000),
    ]  # fmt: skip


def test_an_amendment_after_a_void_is_priced_against_nothing() -> None:
    """The service was never rendered: the void took 2 000.00 back, the amendment takes no more."""
    void()
    amend("n-1", OCTOBER.start, "cancel")
    bill(NOVEMBER)
    assert documents("north", NOVEMBER) == []
    assert charged() == {"fee": 0, "calls": 0}


def test_late_usage_after_a_void_brings_the_service_back_in_full() -> None:
    void()
    use("n-1", 500, date(2026, 10, 11), now=LATER)
    bill(NOVEMBER)
    assert sorted(lines(invoice("north", NOVEMBER))) == [
        ("calls", 105_000, 23_100), ("fee", 100_000, 22_000), ("fee", 100_000, 22_000),
    ]  # fmt: skip


def test_a_correction_by_the_run_finds_no_room_in_a_void_and_joins_the_open_period(
    acme: object,
) -> None:
    """Late usage of a voided month, where the seller corrects each month by its own document."""
    from kvit.parties import services as parties
    from kvit.parties.rows import TenantRow

    row = TenantRow("acme", "ООО «Акме»", "RUB", "Europe/Moscow", late_events="correction")
    parties.change_tenant(row, actor=ACTOR, now=LATER, reason="test")
    void()
    use("n-1", 500, date(2026, 10, 11), now=LATER)
    bill(NOVEMBER)
    found = documents("north", NOVEMBER)
    assert [(one.kind, one.net_minor, one.corrects_id) for one in found] == [
        ("invoice", 305_000, None)
    ]


def test_a_credit_by_the_run_beyond_what_is_left_joins_the_open_period() -> None:
    """All calls were credited by hand; then the calls turn out never to have been made."""
    from kvit.parties import services as parties
    from kvit.parties.rows import TenantRow

    row = TenantRow("acme", "ООО «Акме»", "RUB", "Europe/Moscow", late_events="correction")
    parties.change_tenant(row, actor=ACTOR, now=LATER, reason="test")
    credit({2: 60_000})
    metering.retract([("test", "n-1/2026-10-10/10000")], reason=WHY, actor=ACTOR, now=LATER)
    bill(NOVEMBER)
    [document] = documents("north", NOVEMBER)
    assert (document.kind, sorted(lines(document))) == (
        "invoice", [("calls", -100_000, -22_000), ("fee", 100_000, 22_000)],
    )  # fmt: skip


def test_a_correction_by_the_run_is_of_the_line_that_it_corrects() -> None:
    from kvit.parties import services as parties
    from kvit.parties.rows import TenantRow

    row = TenantRow("acme", "ООО «Акме»", "RUB", "Europe/Moscow", late_events="correction")
    parties.change_tenant(row, actor=ACTOR, now=LATER, reason="test")
    use("n-1", 500, date(2026, 10, 11), now=LATER)
    bill(NOVEMBER)
    notes = [one for one in documents("north", NOVEMBER) if one.corrects_id]
    assert [sums(one) for one in notes] == [("debit_note", 5_000, 1_100, 6_100)]
    assert notes[0].corrects_id == invoice().id
    reversal = queries.by_ids([void()])[0]
    assert lines(reversal) == [("fee", -100_000, -22_000), ("calls", -105_000, -23_100)]
    assert charged()["calls"] == 0
