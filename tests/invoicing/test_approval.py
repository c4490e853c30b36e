"""Drafts that wait for a person: approved, refused, and gathered again."""

from datetime import date

import pytest
from django.db import IntegrityError, transaction

from kvit.invoicing import queries, services
from kvit.invoicing.models import FreedCharge, Invoice, InvoiceLine
from kvit.ledger import queries as ledger
from kvit.ledger.models import Posting
from kvit.parties.rows import SellerRow, Tenant
from kvit.parties.services import apply_sellers
from kvit.platform.models import AuditRow, EventLog
from kvit.rating.models import Charge
from tests.invoicing import company
from tests.invoicing.company import (
    ACTOR,
    BEGIN,
    LATER,
    NOVEMBER,
    OCTOBER,
    amend,
    bill,
    documents,
    invoice,
    lines,
    sums,
    use,
)

WHY = "Неверный тариф"


@pytest.fixture
def waiting(whole: Tenant) -> Tenant:
    """October waits for approval: two drafts."""
    company.found(approval=True)
    report = bill()
    assert (len(report.issued), len(report.drafts)) == (0, 2)
    return whole


pytestmark = pytest.mark.usefixtures("waiting")


def refuse() -> None:
    services.refuse([invoice().id], reason=WHY, actor="user:8", now=LATER)


def test_drafts_are_listed_and_have_neither_number_nor_posting() -> None:
    drafts = queries.drafts()
    assert [(one.waits_for, one.number, one.total_minor) for one in drafts] == [
        ("approval", "", 244_000), ("approval", "", 122_000),
    ]  # fmt: skip
    assert Posting.objects.count() == 0


def test_approved_drafts_are_numbered_in_order_and_say_who_approved() -> None:
    ids = [one.id for one in queries.drafts()]
    services.approve(ids[::-1], approver="user:8", now=LATER)
    issued = Invoice.objects.order_by("number")
    assert [(one.number_text, one.pk) for one in issued] == [
        ("2026-00001", ids[0]), ("2026-00002", ids[1]),
    ]  # fmt: skip
    assert {(one.author, one.approver, one.waits_for) for one in issued} == {(ACTOR, "user:8", "")}
    assert {one.issued_on for one in issued} == {date(2026, 11, 10)}
    row = AuditRow.objects.filter(action="invoicing.draft.approved").order_by("id").first()
    assert row.before == {"status": "draft", "waits_for": "approval"}
    assert (row.after["number"], row.actor) == ("2026-00001", "user:8")
    owed = ledger.receivables_by_customer(company.seller_id(), on=date(2026, 11, 10))
    assert [one.balance_minor for one in owed] == [244_000, 122_000]


def test_a_date_may_be_given() -> None:
    key = invoice().id
    services.approve([key], approver="user:8", now=LATER, issue_on=date(2026, 10, 31))
    assert invoice().issued_on == date(2026, 10, 31)
    assert ledger.receivables_by_customer(company.seller_id(), on=date(2026, 10, 31))


def test_one_that_is_issued_already_stops_all_and_changes_nothing() -> None:
    first, second = (one.id for one in queries.drafts())
    services.approve([first], approver="user:8", now=LATER)
    before = (Posting.objects.count(), EventLog.objects.count())
    with pytest.raises(services.InvoiceNotDraft) as refused:
        services.approve([second, first], approver="user:8", now=LATER)
    assert refused.value.code == "not_a_draft"
    assert (Posting.objects.count(), EventLog.objects.count()) == before
    assert Invoice.objects.get(pk=second).status == "draft"


def test_a_refused_draft_is_gone_told_and_recorded_and_leaves_no_number() -> None:
    key = invoice().id
    refuse()
    assert queries.by_ids([key]) == []
    assert InvoiceLine.objects.filter(invoice_id=key).count() == 0
    row = AuditRow.objects.get(action="invoicing.draft.refused")
    assert (row.object_id, row.reason, row.before["total_minor"]) == (str(key), WHY, 244_000)
    told = EventLog.objects.get(topic="invoicing.draft.refused")
    assert told.payload["charges"] == 2
    with pytest.raises(services.InvoiceNotDraft) as gone:
        services.approve([key], approver="user:8", now=LATER)
    assert gone.value.code == "draft_gone"


def test_refusing_needs_a_reason() -> None:
    with pytest.raises(services.CorrectionRefused):
        services.refuse([invoice().id], reason="", actor="user:8", now=LATER)
    assert len(queries.drafts()) == 2


def test_the_charges_of_a_refused_draft_are_gathered_by_the_next_run_of_the_period() -> None:
    before = invoice()
    charges = Charge.objects.count()
    refuse()
    report = bill(OCTOBER)
    assert (len(report.drafts), Charge.objects.count()) == (1, charges)
    assert lines(invoice()) == lines(before)
    assert FreedCharge.objects.count() == 0
    assert bill(OCTOBER).drafts == []


def test_or_by_the_run_of_a_later_period_once() -> None:
    refuse()
    bill(NOVEMBER)
    [document] = documents("north", NOVEMBER)
    assert sorted((line.price, line.starts_on) for line in document.lines) == [
        ("calls", OCTOBER.start), ("fee", OCTOBER.start), ("fee", NOVEMBER.start),
    ]  # fmt: skip
    assert documents("north", OCTOBER) == []
    assert (bill(OCTOBER).drafts, bill(NOVEMBER).drafts) == ([], [])


def test_a_run_of_an_earlier_period_leaves_them_alone() -> None:
    refuse()
    from kvit.core.periods import Period

    bill(Period(date(2026, 9, 1), date(2026, 10, 1)))
    assert (queries.of_period(date(2026, 9, 1)), FreedCharge.objects.count()) == ([], 2)


def test_a_changed_term_comes_as_a_difference_on_the_same_draft() -> None:
    """Refused since the customer had 10 % off: the amendment is made, the run made again."""
    refuse()
    amend("n-1", OCTOBER.start, "discount", {"percent": "10"})
    bill(OCTOBER)
    assert sums(invoice()) == ("invoice", 180_000, 39_600, 219_600)
    assert sorted(lines(invoice())) == [
        ("calls", -10_000, -2_200), ("calls", 100_000, 22_000),
        ("fee", -10_000, -2_200), ("fee", 100_000, 22_000),
    ]  # fmt: skip
    assert bill(OCTOBER).drafts == []
    bill(NOVEMBER)
    assert lines(invoice("north", NOVEMBER)) == [("fee", 90_000, 19_800)]


def test_late_usage_comes_as_a_difference_on_the_same_draft() -> None:
    refuse()
    use("n-1", 500, date(2026, 10, 11), now=LATER)
    bill(OCTOBER)
    assert sums(invoice()) == ("invoice", 205_000, 45_100, 250_100)


def test_what_was_not_refused_is_not_touched_by_a_changed_term() -> None:
    refuse()
    amend("s-1", OCTOBER.start, "discount", {"percent": "10"})
    report = bill(OCTOBER)
    assert (len(report.drafts), report.rated.put_off) == (1, 1)
    assert sums(invoice("south")) == ("invoice", 100_000, 22_000, 122_000)
    bill(NOVEMBER)
    assert sorted(lines(invoice("south", NOVEMBER))) == [
        ("fee", -10_000, -2_200), ("fee", 90_000, 19_800),
    ]  # fmt: skip


def test_a_refused_void_leaves_the_invoice_as_it_was() -> None:
    key = invoice().id
    services.approve([key], approver="user:8", now=LATER)
    void = services.void(key, reason=WHY, author=ACTOR, now=LATER, again=True)
    assert FreedCharge.objects.count() == 2
    charges = Charge.objects.count()
    bill(OCTOBER)
    assert (FreedCharge.objects.count(), Charge.objects.count()) == (2, charges)
    with pytest.raises(services.CorrectionRefused) as refused:
        services.credit(key, {1: 1}, reason=WHY, author=ACTOR, now=LATER)
    assert refused.value.code == "already_void"
    services.refuse([void], reason="Передумали", actor="user:8", now=LATER)
    assert FreedCharge.objects.count() == 0
    bill(NOVEMBER)
    assert [line.starts_on for line in invoice("north", NOVEMBER).lines] == [NOVEMBER.start]
    services.credit(key, {1: 1}, reason=WHY, author=ACTOR, now=LATER)


def test_an_approved_void_takes_its_charges_back_and_is_billed_again() -> None:
    key = invoice().id
    services.approve([key], approver="user:8", now=LATER)
    void = services.void(key, reason=WHY, author=ACTOR, now=LATER, again=True)
    services.approve([void], approver="user:8", now=LATER)
    report = bill(OCTOBER)
    assert len(report.drafts) == 1
    assert sums(documents("north")[-1]) == ("invoice", 200_000, 44_000, 244_000)


def test_a_void_waits_until_other_corrections_are_settled() -> None:
    key = invoice().id
    services.approve([key], approver="user:8", now=LATER)
    note = services.credit(key, {1: 1_000}, reason=WHY, author=ACTOR, now=LATER)
    with pytest.raises(services.CorrectionRefused) as refused:
        services.void(key, reason=WHY, author=ACTOR, now=LATER)
    assert refused.value.code == "correction_waits"
    services.refuse([note], reason=WHY, actor="user:8", now=LATER)
    services.void(key, reason=WHY, author=ACTOR, now=LATER)


def test_an_outlier_waits_though_the_seller_approves_nothing() -> None:
    from kvit.core.periods import Period
    from kvit.parties import services as parties
    from kvit.parties.rows import SellerRow

    seller = SellerRow("main", "ООО «Акме»")
    parties.apply_sellers([seller], actor=ACTOR, now=LATER, reason="test")
    for month in (NOVEMBER, company.DECEMBER, Period(date(2027, 1, 1), date(2027, 2, 1))):
        bill(month)
    use("n-1", 200_000, date(2027, 2, 3), now=BEGIN)
    february = Period(date(2027, 2, 1), date(2027, 3, 1))
    bill(february)
    assert invoice("north", february).waits_for == "outlier"
    assert invoice("south", february).status == "issued"


def want_four_eyes() -> None:
    seller = SellerRow("main", "ООО «Акме»", four_eyes=True)
    apply_sellers([seller], actor=ACTOR, now=BEGIN, reason="test")


def test_four_eyes_are_held_by_words_and_by_the_database(whole: Tenant) -> None:
    """The run's author may not approve its drafts, whatever program asks; another person may."""
    services.refuse([one.id for one in queries.drafts()], reason=WHY, actor=ACTOR, now=LATER)
    want_four_eyes()
    bill()
    ids = [one.id for one in queries.drafts()]
    assert [one.waits_for for one in queries.drafts()] == ["approval", "approval"]
    with pytest.raises(services.OwnDraft) as refused:
        services.approve(ids, approver=ACTOR, now=LATER)
    assert refused.value.code == "own_draft"
    for approver in (ACTOR, ""):
        with pytest.raises(IntegrityError, match="invoice_four_eyes"), transaction.atomic():
            services.issue_many(
                ids, issue_on=date(2026, 10, 31), actor=ACTOR, now=LATER, approver=approver
            )
    assert {one.status for one in Invoice.objects.all()} == {"draft"}
    assert Posting.objects.count() == 0
    services.approve(ids, approver="user:8", now=LATER)
    assert {(one.author, one.approver) for one in Invoice.objects.all()} == {(ACTOR, "user:8")}


def test_a_correction_under_four_eyes_waits_for_somebody_else(whole: Tenant) -> None:
    want_four_eyes()
    services.approve([one.id for one in queries.drafts()], approver="user:8", now=LATER)
    key = services.void(invoice().id, reason=WHY, author="user:8", now=LATER)
    with pytest.raises(services.OwnDraft):
        services.approve([key], approver="user:8", now=LATER)
    services.approve([key], approver=ACTOR, now=LATER)
    assert Invoice.objects.get(pk=key).status == "issued"


def test_approving_all_leaves_ones_own_to_somebody_else(whole: Tenant) -> None:
    services.refuse([one.id for one in queries.drafts()], reason=WHY, actor=ACTOR, now=LATER)
    want_four_eyes()
    bill()
    with pytest.raises(services.OrderRefused) as refused:
        services.order_run(date(2026, 10, 1), action="approve", author=ACTOR, now=LATER)
    assert refused.value.code == "no_drafts"
