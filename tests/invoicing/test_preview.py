"""A preview is the bill: whatever is amended, the run that follows issues what was shown."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from kvit.core.periods import Period
from kvit.invoicing import queries, services
from kvit.invoicing.models import BillRun, Invoice, InvoiceLine, NumberSeries
from kvit.invoicing.rows import InvoiceInfo, Preview
from kvit.ledger.models import Posting
from kvit.parties.rows import Tenant
from kvit.platform.models import AuditRow, EventLog
from kvit.rating.models import Charge, RatedPeriod
from kvit.subscriptions import services as subscriptions
from kvit.subscriptions.models import Amendment
from kvit.subscriptions.rows import NewAmendment
from tests.invoicing.company import (
    ACTOR,
    DECEMBER,
    NOVEMBER,
    OCTOBER,
    ZONE,
    amendment,
    bill,
    customer_id,
    documents,
    subscribe,
    use,
)
from tests.invoicing.conftest import broken

MID_OCTOBER = datetime(2026, 10, 16, 9, tzinfo=UTC)
MID_NOVEMBER = datetime(2026, 11, 16, 9, tzinfo=UTC)
TABLES = (Amendment, AuditRow, BillRun, Charge, EventLog, Invoice, InvoiceLine, NumberSeries,
          Posting, RatedPeriod)  # fmt: skip


def state() -> list[Any]:
    last = list(NumberSeries.objects.order_by("key").values_list("key", "last"))
    return [*(model.objects.count() for model in TABLES), last]


def image(info: InvoiceInfo) -> tuple[Any, ...]:
    """What a person sees of a document: everything but ids and numbers."""
    shown = tuple(
        (line.subscription, line.price, line.name, line.units, line.starts_on, line.ends_on,
         line.gross_minor, str(line.discounts), line.net_minor, line.vat_minor, line.total_minor)
        for line in info.lines
    )  # fmt: skip
    sums = (info.net_minor, info.vat_minor, info.total_minor)
    corrects = info.corrects_id is not None
    return info.kind, info.status, info.waits_for, info.issued_on, corrects, sums, shown


def images(infos: Iterable[InvoiceInfo]) -> list[tuple[Any, ...]]:
    return sorted((image(one) for one in infos), key=str)


def totals(preview: Preview, customer: str) -> list[tuple[int, int]]:
    """Return (before, after) of each period."""
    [one] = [one for one in preview.customers if one.customer_id == customer_id(customer)]
    return [
        (before.total_minor("RUB"), after.total_minor("RUB"))
        for before, after in zip(one.before, one.after, strict=True)
    ]


@pytest.mark.usefixtures("acme")
def test_a_discount_in_mid_month_shows_on_this_and_the_next_bill() -> None:
    """Fee 1 000 × 15/31 + 1 000 × 16/31 × 0.85, calls of the 10th untouched; then 850 a month."""
    before = state()
    row = amendment("n-1", date(2026, 10, 16), "discount", {"percent": "15"})
    preview = services.preview_amendments([row], now=MID_OCTOBER)
    assert preview.windows == (OCTOBER, NOVEMBER)
    assert totals(preview, "north") == [(244_000, 234_555), (122_000, 103_700)]
    assert [one.customer_id for one in preview.customers] == [customer_id("north")]
    assert {doc.number for one in preview.customers for b in one.after for doc in b.documents} == {
        ""
    }
    assert state() == before


@pytest.mark.usefixtures("billed")
def test_a_backdated_change_comes_on_this_bill_as_a_difference() -> None:
    row = amendment("n-1", date(2026, 10, 16), "discount", {"percent": "15"})
    preview = services.preview_amendments([row], now=MID_NOVEMBER)
    assert preview.windows == (NOVEMBER, DECEMBER)
    assert totals(preview, "north") == [(122_000, 94_255), (122_000, 103_700)]


@pytest.mark.usefixtures("acme")
def test_a_transfer_shows_on_the_bills_of_both_payers() -> None:
    row = amendment("n-1", date(2026, 10, 16), "transfer", str(customer_id("south")))
    preview = services.preview_amendments([row], now=MID_OCTOBER)
    # 15/31 of the fee and the calls of the 10th stay; 16/31 go.
    assert totals(preview, "north") == [(244_000, 181_032), (122_000, 0)]
    assert totals(preview, "south") == [(122_000, 184_968), (122_000, 244_000)]


@pytest.mark.usefixtures("acme")
def test_a_bill_that_is_there_already_stands_on_both_sides() -> None:
    bill(OCTOBER)
    row = amendment("n-1", date(2026, 10, 16), "discount", {"percent": "15"})
    preview = services.preview_amendments([row], now=MID_OCTOBER, window=OCTOBER)
    assert totals(preview, "north") == [(244_000, 244_000), (122_000, 94_255)]


@pytest.mark.usefixtures("acme")
def test_what_cannot_stand_is_refused_and_leaves_nothing() -> None:
    before = state()
    rows = [amendment("n-1", date(2026, 10, 16), "quantity", "many")]
    with pytest.raises(subscriptions.AmendmentRefused):
        services.preview_amendments(rows, now=MID_OCTOBER)
    with pytest.raises(subscriptions.SubscriptionNotFound):
        services.preview_amendments(
            [amendment("nobody", date(2026, 10, 16), "pause")], now=MID_OCTOBER
        )
    assert state() == before


@pytest.mark.usefixtures("acme")
def test_a_previewed_period_is_what_the_run_issues() -> None:
    before = state()
    preview = services.preview_bill(OCTOBER)
    assert state() == before
    bill(OCTOBER)
    assert images(preview.documents) == images(queries.of_period(OCTOBER.start))
    assert images(services.preview_bill(OCTOBER).documents) == images(preview.documents)


@pytest.mark.usefixtures("acme")
def test_numbers_of_a_preview_are_given_back() -> None:
    services.preview_bill(OCTOBER)
    bill(OCTOBER)
    assert [one.number for one in queries.of_period(OCTOBER.start)] == [
        "2026-00001", "2026-00002",
    ]  # fmt: skip


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("billed", "now", "expected"),
    [
        ([], MID_OCTOBER, OCTOBER),
        ([OCTOBER], MID_OCTOBER, NOVEMBER),
        ([OCTOBER], MID_NOVEMBER, NOVEMBER),
        ([OCTOBER], datetime(2026, 12, 3, tzinfo=UTC), NOVEMBER),
        ([OCTOBER], datetime(2027, 3, 3, tzinfo=UTC), Period(date(2027, 3, 1), date(2027, 4, 1))),
    ],
)
def test_this_bill_is_the_first_that_was_not_made(
    billed: list[Period], now: datetime, expected: Period
) -> None:
    for window in billed:
        bill(window)
    assert services.open_window(now) == expected


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "plan": st.sampled_from(["pro", "pre"]),
    "quantity": st.integers(0, 4).map(str),
    "pause": st.none(),
    "resume": st.none(),
    "cancel": st.none(),
    "discount": st.one_of(
        st.integers(1, 100).map(lambda percent: {"percent": str(percent)}),
        st.integers(1, 900).map(lambda sum_: {"fixed": str(sum_), "price": "fee"}),
    ),
    "addon": st.integers(0, 2).map(lambda n: {"plan": "pre", "quantity": str(n)}),
    "transfer": st.sampled_from(["north", "south", "west"]),
    "terms": st.integers(0, 2_000).map(
        lambda sum_: {"fee": {"model": "flat", "amount": f"{sum_}.05"}}
    ),
}


@st.composite
def amendments(draw: st.DrawFn) -> NewAmendment:
    change = draw(st.sampled_from(sorted(VALUES)))
    day = date(2026, 10, 1) + timedelta(days=draw(st.integers(0, 75)))
    subscription = draw(st.sampled_from(["n-1", "s-1", "w-1"]))
    value = draw(VALUES[change])
    if change == "transfer":
        value = str(customer_id(value))
    return amendment(subscription, day, change, value)


@pytest.fixture
def three(acme: Tenant) -> Tenant:
    """West is paid for by north, and takes a plan in advance; usage goes on in November."""
    from kvit.parties import services as parties
    from kvit.parties.rows import CustomerRow

    row = CustomerRow("west", "ООО «Запад»", payer="north")
    parties.apply_customers([row], actor=ACTOR, now=MID_OCTOBER, reason="test")
    subscribe("w-1", "west", "pre", date(2026, 10, 5))
    use("n-1", 777, date(2026, 11, 20))
    use("s-1", 31, date(2026, 10, 31))
    return acme


@pytest.mark.once
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), october_is_billed=st.booleans(), correction=st.booleans())
def test_the_bills_that_follow_are_those_that_were_shown(
    three: Tenant, data: st.DataObject, october_is_billed: bool, correction: bool
) -> None:
    with transaction.atomic():
        try:
            _one_example(data, october_is_billed, correction)
        finally:
            transaction.set_rollback(True)


def _one_example(data: st.DataObject, october_is_billed: bool, correction: bool) -> None:
    from kvit.parties import services as parties
    from kvit.parties.rows import TenantRow

    late = "correction" if correction else "open_period"
    tenant = TenantRow("acme", "ООО «Акме»", "RUB", ZONE, late_events=late)
    parties.change_tenant(tenant, actor=ACTOR, now=MID_OCTOBER, reason="test")
    now = MID_OCTOBER
    if october_is_billed:
        bill(OCTOBER)
        now = MID_NOVEMBER
    rows = data.draw(st.lists(amendments(), min_size=1, max_size=3))
    before = state()
    try:
        preview = services.preview_amendments(rows, now=now)
    except subscriptions.AmendmentRefused:
        assume(False)
    assert state() == before
    unchanged = {window: _without_amendments(window, preview.windows) for window in preview.windows}

    subscriptions.amend_many(rows, actor=ACTOR, now=now)
    for window in preview.windows:
        bill(window)
    shown = {one.customer_id: one for one in preview.customers}
    changed = False
    for place, window in enumerate(preview.windows):
        issued = queries.of_period(window.start)
        for code in ("north", "south", "west"):
            key = customer_id(code)
            real = images(one for one in issued if one.customer_id == key)
            if key in shown:
                assert images(shown[key].after[place].documents) == real
                assert images(shown[key].before[place].documents) == unchanged[window][key]
                changed |= real != unchanged[window][key]
            else:  # untouched, or without any bill on either side
                assert real == unchanged[window][key]
    assert broken() == []
    event(f"changes a bill: {changed}")


def _without_amendments(window: Period, windows: tuple[Period, ...]) -> dict[Any, list[Any]]:
    """Return what the runs would issue if nothing were amended."""
    point = transaction.savepoint()
    for each in windows:
        bill(each)
    found = {
        customer_id(code): images(documents(code, window)) for code in ("north", "south", "west")
    }
    transaction.savepoint_rollback(point)
    return found
