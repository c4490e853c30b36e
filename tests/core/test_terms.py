"""Terms of a subscription: first statement and amendments, folded into spells."""

import itertools
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.pricing import PriceError
from kvit.core.terms import (
    Amendment,
    BadAmendment,
    Discount,
    Spell,
    Terms,
    check_prices,
    counts_from,
    milestones,
    timeline,
    together,
    with_terms,
)

START = datetime(2026, 9, 1, tzinfo=UTC)
FIRST = Terms(plan="pro", customer="c1")


def day(number: int, month: int = 10) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


def fold(*changes: tuple[datetime, str, object], end: datetime | None = None) -> tuple[Spell, ...]:
    told = [Amendment(n, at, change, value) for n, (at, change, value) in enumerate(changes, 1)]
    return timeline(start=START, end=end, first=FIRST, amendments=told)


def terms_at(spells: tuple[Spell, ...], moment: datetime) -> Terms:
    return next(s.terms for s in spells if s.start <= moment and (s.end is None or moment < s.end))


def test_worked_example() -> None:
    """pro with 1 seat; on 16 October 5 seats and −15 %, at one moment: two spells."""
    spells = fold((day(16), "discount", {"percent": "15"}), (day(16), "quantity", "5"))
    assert [(s.start, s.end, s.terms.quantity) for s in spells] == [
        (START, day(16), 1),
        (day(16), None, 5),
    ]
    assert spells[1].terms.discounts == (Discount("d1", percent=Fraction(15), since=day(16)),)


def test_a_discount_outlives_a_change_of_plan() -> None:
    spells = fold((day(5), "discount", {"percent": "10"}), (day(20), "plan", "max"))
    assert [s.terms.plan for s in spells] == ["pro", "pro", "max"]
    assert spells[2].terms.discounts == spells[1].terms.discounts != ()


def test_pause_resume_cancel_resume() -> None:
    spells = fold(
        (day(3), "pause", None), (day(9), "resume", None), (day(20), "cancel", None),
        (day(25), "resume", None),
    )  # fmt: skip
    states = [s.terms.state for s in spells]
    assert states == ["active", "paused", "active", "ended", "active"]


def test_a_state_change_has_the_last_word_of_its_moment() -> None:
    spells = fold((day(7), "cancel", None), (day(7), "plan", "max"), (day(7), "resume", None))
    assert (spells[-1].terms.plan, spells[-1].terms.state) == ("max", "ended")


def test_of_two_of_one_kind_at_one_moment_the_later_recorded_holds() -> None:
    """Nine seats were written, then corrected to five: "9" > "5" must not bring the nine back."""
    spells = fold((day(7), "quantity", "9"), (day(7), "quantity", "5"))
    assert spells[-1].terms.quantity == 5


def test_an_amendment_before_the_start_counts_from_the_start() -> None:
    spells = fold((START - timedelta(days=3), "quantity", "4"))
    assert [(s.start, s.terms.quantity) for s in spells] == [(START, 4)]


def test_nothing_changes_an_ended_subscription() -> None:
    with pytest.raises(BadAmendment) as told:
        fold((day(1), "cancel", None), (day(2), "plan", "max"))
    assert told.value.code == "ended"
    with pytest.raises(BadAmendment):
        fold((day(2), "quantity", "2"), end=day(1))


def test_a_withdrawn_amendment_was_never_there() -> None:
    plain = fold((day(5), "quantity", "2"))
    again = fold((day(5), "quantity", "2"), (day(9), "plan", "max"), (day(20), "withdraw", 2))
    assert again == plain


@pytest.mark.parametrize("value", [7, "x", None, "-1", "²", 3])
def test_a_withdrawal_of_nothing_is_refused(value: object) -> None:
    with pytest.raises(BadAmendment) as told:
        fold((day(5), "quantity", "2"), (day(6), "withdraw", 1), (day(7), "withdraw", value))
    assert told.value.code == "bad_value"


def test_a_restatement_holds_from_the_start_and_leaves_amendments() -> None:
    spells = fold(
        (day(5), "quantity", "2"),
        (day(9), "restate", {"plan": "max", "quantity": "7", "terms": {}, "end": None}),
    )
    assert [(s.start, s.terms.plan, s.terms.quantity) for s in spells] == [
        (START, "max", 7),
        (day(5), "max", 2),
    ]


def test_a_restatement_moves_the_agreed_end() -> None:
    value = {"plan": "pro", "end": day(1, 12).isoformat()}
    spells = fold((START, "restate", value), end=day(1, 11))
    assert [(s.start, s.terms.state) for s in spells][-1] == (day(1, 12), "ended")


def test_terms_replace_prices_and_put_them_back() -> None:
    own = {"api": {"model": "flat", "amount": "1"}}
    spells = fold((day(2), "terms", own), (day(9), "terms", {"api": None, "pin": "2026-01-01"}))
    assert [dict(s.terms.overrides) for s in spells] == [{}, own, {}]
    assert spells[-1].terms.pinned_on == "2026-01-01"


def test_a_discount_without_a_code_never_replaces_another() -> None:
    """d1 and d2 stand, d1 is removed, one more is given: it is d1 again and d2 stays."""
    spells = fold(
        (day(2), "discount", {"percent": "10"}),
        (day(3), "discount", {"percent": "20"}),
        (day(4), "discount", {"remove": "d1"}),
        (day(5), "discount", {"percent": "30"}),
    )
    told = [(one.code, one.percent) for one in spells[-1].terms.discounts]
    assert told == [("d2", 20), ("d1", 30)]


def test_a_discount_of_the_same_code_replaces() -> None:
    spells = fold(
        (day(2), "discount", {"code": "vip", "percent": "10"}),
        (day(3), "discount", {"code": "vip", "fixed": "5.00"}),
        (day(4), "discount", {"remove": "all"}),
    )
    assert [[one.fixed for one in s.terms.discounts] for s in spells] == [[], [None], [5], []]


def test_add_ons_come_and_go() -> None:
    spells = fold(
        (day(2), "addon", "backup"),
        (day(3), "addon", {"plan": "backup", "quantity": "3"}),
        (day(4), "addon", {"plan": "backup", "quantity": "0"}),
    )
    assert [s.terms.add_ons for s in spells] == [(), (("backup", 1),), (("backup", 3),), ()]


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("discount", {"percent": "101"}),
        ("discount", {"percent": "-1"}),
        ("discount", {"fixed": "-0.01"}),
        ("discount", {"percent": "1", "fixed": "1"}),
        ("discount", {}),
        ("discount", "15"),
        ("discount", {"percent": "1", "periods": 0}),
        ("discount", {"percent": "1", "until": "2026-12-01"}),
        ("discount", {"percent": "NaN"}),
        ("quantity", "-1"),
        ("quantity", "1e3"),
        ("addon", {"quantity": "1"}),
        ("addon", {"plan": "x", "quantity": "-1"}),
        ("trial", "2026-12-01"),
        ("terms", {"pin": "tomorrow"}),
        ("terms", []),
        ("steal", None),
    ],
)
def test_what_cannot_be_meant_is_refused(change: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        fold((day(5), change, value))


def test_a_price_that_cannot_be_read_is_found_before_it_bills() -> None:
    terms = with_terms(FIRST, {"api": {"model": "graduated", "tiers": []}}, since=None)
    with pytest.raises(PriceError):
        check_prices(terms)


def test_milestones_in_order_of_time() -> None:
    told = [
        Amendment(1, day(9), "milestone", "beta"),
        Amendment(2, day(3), "milestone", "alpha"),
        Amendment(3, day(4), "milestone", "void"),
        Amendment(4, day(9), "withdraw", 3),
    ]
    assert milestones(told) == ((day(3), "alpha"), (day(9), "beta"))


def test_a_withdrawal_counts_from_what_it_withdraws() -> None:
    """Written on 1 December about 16 October: October must be looked at again."""
    told = [
        Amendment(1, day(16), "plan", "max"),
        Amendment(2, day(1, 12), "withdraw", 1),
        Amendment(3, day(1, 12), "restate", {}),
    ]
    assert counts_from(told) == (
        (1, day(16)),
        (2, day(16)),
        (3, datetime.min.replace(tzinfo=UTC)),
    )


# --- laws -----------------------------------------------------------------------------------

SMALL: list[tuple[str, Any]] = [
    ("plan", "max"), ("plan", "mini"), ("quantity", "3"), ("quantity", "10"), ("transfer", "c2"),
    ("scheme", "prepaid"), ("discount", {"percent": "15"}), ("discount", {"fixed": "1.00"}),
    ("discount", {"remove": "all"}), ("discount", {"code": "x", "percent": "5"}),
    ("addon", "backup"), ("terms", {"fee": {"model": "flat", "amount": "1"}}),
    ("pause", None), ("resume", None), ("milestone", "beta"),
]  # fmt: skip
moments = st.integers(-3, 60).map(lambda n: START + timedelta(hours=12 * n))
changes = st.lists(st.tuples(moments, st.sampled_from(SMALL)), max_size=6)


def amendments(told: list[tuple[datetime, tuple[str, Any]]]) -> list[Amendment]:
    return [Amendment(n, at, kind, value) for n, (at, (kind, value)) in enumerate(told, 1)]


@given(changes, st.one_of(st.none(), st.just(START + timedelta(days=40))))
def test_spells_tile_the_life(told: list[Any], end: datetime | None) -> None:
    spells = timeline(start=START, end=end, first=FIRST, amendments=amendments(told))
    assert spells[0].start == START
    assert spells[-1].end is None
    for early, late in itertools.pairwise(spells):
        assert early.end == late.start > early.start
        assert early.terms != late.terms


@given(changes, st.randoms(use_true_random=False))
def test_the_sequence_of_reading_does_not_matter(told: list[Any], rng: Any) -> None:
    known = amendments(told)
    shuffled = list(known)
    rng.shuffle(shuffled)
    fold_of = [
        timeline(start=START, end=None, first=FIRST, amendments=many) for many in (known, shuffled)
    ]
    assert fold_of[0] == fold_of[1]


@given(changes, st.randoms(use_true_random=False))
def test_the_order_of_a_files_rows_does_not_matter(told: list[Any], rng: Any) -> None:
    """Rows recorded in one set are numbered by their content, so any order gives the same terms."""

    def of(rows: list[Any]) -> tuple[Spell, ...]:
        ordered = sorted(amendments(rows), key=together)
        renumbered = [
            Amendment(n, one.at, one.change, one.value) for n, one in enumerate(ordered, 1)
        ]
        return timeline(start=START, end=None, first=FIRST, amendments=renumbered)

    shuffled = list(told)
    rng.shuffle(shuffled)
    assert of(told) == of(shuffled)


@given(changes, moments, st.sampled_from(SMALL))
def test_recorded_and_withdrawn_is_as_if_never_recorded(
    told: list[Any], at: datetime, extra: tuple[str, Any]
) -> None:
    known = amendments(told)
    number = len(known) + 1
    more = [
        *known,
        Amendment(number, at, *extra),
        Amendment(number + 1, at + timedelta(days=9), "withdraw", number),
    ]
    assert timeline(start=START, end=None, first=FIRST, amendments=more) == timeline(
        start=START, end=None, first=FIRST, amendments=known
    )


@given(changes)
def test_before_an_amendment_nothing_differs(told: list[Any]) -> None:
    known = amendments(told)
    if not known:
        return
    last = max(known, key=lambda one: one.number)
    without = timeline(start=START, end=None, first=FIRST, amendments=known[:-1])
    with_it = timeline(start=START, end=None, first=FIRST, amendments=known)
    probe = START
    while probe < last.at:
        assert terms_at(without, probe) == terms_at(with_it, probe)
        probe += timedelta(hours=12)


def test_what_does_not_fit_is_told_in_both_languages() -> None:
    """An ended subscription is not changed, and nobody is told a code in place of why."""
    with pytest.raises(BadAmendment) as refused:
        fold((day(5), "cancel", None), (day(20), "quantity", "5"))
    russian, english = refused.value.said
    assert russian.startswith("в этот день подписка уже завершена")
    assert english.startswith("the subscription has ended by that day")
