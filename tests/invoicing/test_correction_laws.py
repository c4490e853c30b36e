"""Whatever is credited and debited: lines stay within bounds, and a void brings all to zero."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvit.core.periods import Period
from kvit.invoicing import queries, services
from kvit.invoicing.rows import InvoiceInfo, LineInfo
from kvit.ledger import queries as ledger
from kvit.parties.rows import Tenant
from tests.invoicing.company import ACTOR, LATER, OCTOBER, bill, invoice, seller_id, use
from tests.invoicing.conftest import broken

steps = st.lists(
    st.tuples(
        st.sampled_from(["credit", "debit"]),
        st.dictionaries(st.integers(1, 2), st.none() | st.integers(1, 130_000), min_size=1),
    ),
    max_size=6,
)


def left(line: LineInfo, notes: list[InvoiceInfo]) -> tuple[int, int, int]:
    """Return what is left of a line: net, VAT, total."""
    mine = [one for note in notes for one in note.lines if one.name == line.name]
    return (
        line.net_minor + sum(one.net_minor for one in mine),
        line.vat_minor + sum(one.vat_minor for one in mine),
        line.total_minor + sum(one.total_minor for one in mine),
    )


def correct(kind: str, key: UUID, lines: dict[int, int | None]) -> str:
    """Correct an invoice; return the code of what was refused, or an empty text."""
    said = {"reason": "law", "author": ACTOR, "now": LATER}
    sums = {position: amount or 1 for position, amount in lines.items()}
    try:
        if kind == "credit":
            services.credit(key, lines, **said)
        elif kind == "debit":
            services.debit(key, sums, **said)
        else:
            services.void(key, **said)
    except services.CorrectionRefused as refused:
        return refused.code
    return ""


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps, calls=st.integers(1, 9_999_999))
def test_no_line_is_ever_below_zero_and_a_void_leaves_nothing(
    acme: Tenant, steps: list[tuple[str, dict[int, int | None]]], calls: int
) -> None:
    with transaction.atomic():
        try:
            _one_example(steps, calls)
        finally:
            transaction.set_rollback(True)


def _one_example(steps: list[tuple[str, dict[int, int | None]]], calls: int) -> None:
    use("n-1", calls, OCTOBER.start)
    bill()
    original = invoice()
    for kind, lines in steps:
        before = queries.corrections_of(original.id)
        if refusal := correct(kind, original.id, lines):
            assert refusal in (
                "exceeds_line", "nothing_left", "no_line_chosen", "credit_not_negative",
            )  # fmt: skip
            assert queries.corrections_of(original.id) == before
        notes = queries.corrections_of(original.id)
        assert all(min(left(line, notes)) >= 0 for line in original.lines)
    assert correct("void", original.id, {}) in ("", "nothing_left")
    notes = queries.corrections_of(original.id)
    assert {left(line, notes) for line in original.lines} == {(0, 0, 0)}
    owed = ledger.receivables_by_customer(seller_id(), on=LATER.date())
    assert original.customer_id not in {one.customer_id for one in owed}
    south = invoice("south")
    assert ledger.balances(seller_id(), on=LATER.date()) == {
        ("62.01", "RUB"): south.total_minor,
        ("90.01", "RUB"): -south.total_minor,
        ("90.03", "RUB"): south.vat_minor,
        ("68.02", "RUB"): -south.vat_minor,
    }
    assert broken() == []


def test_a_void_of_an_invoice_at_another_day_counts_from_its_own(acme: Tenant) -> None:
    bill()
    original = invoice()
    days = [LATER + timedelta(days=n) for n in range(3)]
    services.credit(original.id, {1: 10_000}, reason="a", author=ACTOR, now=days[0])
    services.debit(original.id, {1: 5_000}, reason="b", author=ACTOR, now=days[1])
    services.void(original.id, reason="c", author=ACTOR, now=days[2])
    owed = [
        {one.customer_id: one.balance_minor for one in
         ledger.receivables_by_customer(seller_id(), on=day.date())}.get(original.customer_id, 0)
        for day in days
    ]  # fmt: skip
    assert owed == [231_800, 237_900, 0]
    month = Period(OCTOBER.end, OCTOBER.end + timedelta(days=30))
    rows = ledger.trial_balance(seller_id(), since=month.start, until=month.end)
    assert sum(row.debit_minor for row in rows) == sum(row.credit_minor for row in rows)
