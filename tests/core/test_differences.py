"""What remains to be charged after something was learned."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kvit.core.differences import Due, Slot, Standing, differences, slot_of
from kvit.core.stretches import Charge
from tests.core.billing import (
    charges,
    contract,
    flat,
    graduated,
    later,
    meter,
    per_unit,
    plan,
    price,
    shop,
    used,
)

CALLS = price("calls", graduated(("1000", "0"), (None, "0.05")), meter="calls")
SHOP = shop(
    plan(), price("fee", flat("10000.00")), CALLS,
    plan("max"), price("fee", flat("15000.00"), plan="max"),
    price("extra", flat("99.00"), plan="max"), later(CALLS, plan="max"),
    plan("ip"), price("ip", per_unit("33.33"), plan="ip"),
    meter("calls"),
)  # fmt: skip

Books = dict[Slot, Standing]


def wanted(*said: Any, events: Any = None, month: str = "2026-10") -> dict[Slot, Charge]:
    found = charges(contract(*said), SHOP, used(*(events or [])), month=month)
    slots = {slot_of(one, one.stretch.customer): one for one in found}
    assert len(slots) == len(found), "two charges in one slot: one of them would be lost"
    return slots


def settle(books: Books, target: dict[Slot, Charge]) -> list[Due]:
    """Write what is due, as rating does."""
    fresh, changed = differences(target, books)
    for due in (*fresh, *changed):
        before = books.get(due.slot, Standing(0, Fraction(0), 0, -1))
        taken = dict(due.taken)
        if due.charge is not None:
            taken = {one.discount.code: one.amount_minor for one in due.charge.discounts}
        else:
            taken = {}
        books[due.slot] = replace(
            before,
            amount_minor=before.amount_minor + due.amount_minor,
            units=before.units + due.units,
            events=before.events + due.events,
            revision=max(before.revision, due.revision),
            taken=taken,
            ends_at=before.ends_at if due.charge is None else due.charge.stretch.end,
        )
    return [*fresh, *changed]


def told(dues: list[Due]) -> list[tuple[str, int, int]]:
    return [(due.slot.price_key, due.revision, due.amount_minor) for due in dues]


def test_worked_example() -> None:
    """October was billed 4 000.00 for 81 000 calls; 3 000 more came late: 150.00."""
    books: Books = {}
    early = [("calls", "2026-10-03", 81_000)]
    late = [*early, ("calls", "2026-10-20", 3_000)]
    assert told(settle(books, wanted(events=early))) == [
        ("fee", 0, 1_000_000),
        ("calls", 0, 400_000),
    ]
    assert told(settle(books, wanted(events=late))) == [("calls", 1, 15_000)]
    assert settle(books, wanted(events=late)) == []


def test_a_backdated_change_of_plan() -> None:
    """October whole by "pro", then "max" from the 16th: 10 000 → 4 838.71, + 15 000 × 16/31."""
    books: Books = {}
    settle(books, wanted())
    dues = settle(books, wanted(("2026-10-16", "plan", "max")))
    assert told(dues) == [
        ("extra", 0, 5_110),
        ("fee", 1, 483_871 - 1_000_000),
        ("fee", 0, 774_194),
    ]
    back = settle(books, wanted(("2026-10-16", "plan", "max"), ("2026-10-16", "withdraw", 1)))
    assert told(back) == [("fee", 2, 516_129), ("extra", 1, -5_110), ("fee", 1, -774_194)]
    assert sum(one.amount_minor for one in books.values()) == 1_000_000


def test_a_stretch_that_is_cut_behind_all_its_usage_tells_where_it_ends() -> None:
    """Its sum and its units stay; a revision of nothing says that it ends on the 16th."""
    books: Books = {}
    discount = ("2026-10-16", "discount", {"percent": "10"})
    early = [("calls", "2026-10-03", 81_000)]
    settle(books, wanted(events=early))
    dues = settle(books, wanted(discount, events=early))
    assert told(dues) == [("fee", 1, 483_871 - 1_000_000), ("fee", 0, 464_516), ("calls", 1, 0)]
    [calls] = [one for slot, one in books.items() if slot.price_key == "calls"]
    [later_fee] = [slot for slot, one in books.items() if one.amount_minor == 464_516]
    assert (calls.amount_minor, calls.ends_at) == (400_000, later_fee.starts_at)
    assert settle(books, wanted(discount, events=early)) == []
    # Where nothing is charged, nothing can seem to be charged twice.
    books = {}
    settle(books, wanted())
    assert told(settle(books, wanted(discount))) == told(dues)[:-1]


def test_a_transfer_takes_back_from_one_and_asks_the_other() -> None:
    books: Books = {}
    settle(books, wanted())
    settle(books, wanted(("2026-10-01", "transfer", "c2")))
    fees = {s.customer: one.amount_minor for s, one in books.items() if s.price_key == "fee"}
    assert fees == {"c1": 0, "c2": 1_000_000}


def test_what_a_backdated_change_brings_is_a_difference() -> None:
    """The fee for support came with the plan of the 16th: it is late as the rest of the change."""
    books: Books = {}
    settle(books, wanted())
    target = wanted(("2026-10-16", "plan", "max"))
    fresh, changed = differences(target, books, amended=frozenset({"arrears"}))
    assert fresh == []
    assert sorted(one.slot.price_key for one in changed) == ["extra", "fee", "fee"]
    # Had only the advance been charged so far, arrears would be new.
    fresh, _ = differences(target, {}, amended=frozenset({"advance"}))
    assert len(fresh) == len(target)


def test_a_late_group_is_a_difference() -> None:
    sold = price("gb", per_unit("1.00"), meter="gb", group_by=("region",))
    catalogue = shop(plan(), sold, meter("gb", dimensions=("region",)))
    events = [("gb", "2026-10-02", 5, {"region": "eu"}), ("gb", "2026-10-03", 3, {"region": "us"})]

    def of(*rows: Any) -> dict[Slot, Charge]:
        return {slot_of(c, "c1"): c for c in charges(contract(), catalogue, used(*rows))}

    books: Books = {}
    settle(books, of(events[0]))
    fresh, changed = differences(of(*events), books)
    assert (list(fresh), told(list(changed))) == ([], [("gb[region=us]", 0, 300)])


def test_two_payers_of_one_moment_have_revisions_of_one_row() -> None:
    """A number is taken once for a stretch, whoever pays: the database would refuse a second."""
    books: Books = {}
    seen: set[tuple[str, object, int]] = set()
    for said in [(), (("2026-10-01", "transfer", "c2"),), (), (("2026-10-01", "transfer", "c3"),)]:
        for due in settle(books, wanted(*said)):
            place = (due.slot.price_key, due.slot.starts_at, due.revision)
            assert place not in seen
            seen.add(place)


def test_a_zero_line_becomes_a_difference_and_not_a_new_line() -> None:
    books: Books = {}
    assert told(settle(books, wanted()))[1] == ("calls", 0, 0)
    fresh, changed = differences(wanted(events=[("calls", "2026-10-03", 2_000)]), books)
    assert (list(fresh), told(list(changed))) == ([], [("calls", 1, 5_000)])


# --- the law: whatever is learned, what is charged is what it costs ---------------------------

NEWS: list[Any] = [
    ("plan", "max"), ("plan", "pro"), ("discount", {"percent": "15"}),
    ("discount", {"fixed": "12.34"}), ("discount", {"remove": "all"}), ("quantity", "3"),
    ("pause", None), ("resume", None), ("transfer", "c2"), ("addon", "ip"),
    ("addon", {"plan": "ip", "quantity": "0"}),
]  # fmt: skip
october = st.integers(0, 30)
amendment = st.tuples(st.just("amend"), october, st.sampled_from(NEWS))
event = st.tuples(st.just("use"), october, st.integers(0, 5_000))
undoing = st.tuples(st.just("withdraw"), st.integers(0, 10), st.none())
news = st.lists(st.one_of(amendment, event, undoing), min_size=1, max_size=8)


def on(day: int) -> str:
    return str(date(2026, 10, 1) + timedelta(days=day))


@settings(max_examples=120, deadline=None)
@given(news)
def test_what_is_charged_is_always_what_a_fresh_rating_gives(learned: list[Any]) -> None:
    books: Books = {}
    said: list[Any] = []
    events: list[Any] = []
    settle(books, wanted())
    for kind, place, value in learned:
        if kind == "use":
            events.append(("calls", on(place), value))
        elif kind == "amend":
            said.append((on(place), *value))
        else:
            standing = [n for n, one in enumerate(said, 1) if one[1] != "withdraw"]
            gone = {one[2] for one in said if one[1] == "withdraw"}
            open_ = [n for n in standing if n not in gone]
            if not open_:
                continue
            said.append((on(30), "withdraw", open_[place % len(open_)]))
        target = wanted(*said, events=events)
        settle(books, target)
        assert settle(books, target) == []  # rated again, it gives nothing new
        charged = {slot: one.amount_minor for slot, one in books.items() if one.amount_minor}
        assert charged == {s: c.amount_minor for s, c in target.items() if c.amount_minor}
        for slot, one in books.items():
            if slot in target:
                assert one.gross_minor == target[slot].gross_minor or not one.revision
    # Everything withdrawn and nothing used: the first bill again.
    gone = {one[2] for one in said if one[1] == "withdraw"}
    said += [
        (on(30), "withdraw", n)
        for n, one in enumerate(list(said), 1)
        if one[1] != "withdraw" and n not in gone
    ]
    settle(books, wanted(*said))
    first = {slot: one.amount_minor for slot, one in wanted().items() if one.amount_minor}
    assert {slot: one.amount_minor for slot, one in books.items() if one.amount_minor} == first
