"""Versions of plans and prices: which holds on a day."""

from datetime import date

from tests.core.billing import flat, later, plan, price, shop


def test_the_version_in_force_is_the_latest_that_has_begun() -> None:
    first = price("fee", flat("1"), effective_from=date(2026, 1, 1))
    second = later(first, effective_from=date(2026, 7, 1))
    for things in [(first, second), (second, first)]:
        sold = shop(plan(), *things)
        found = [
            [one.version_id for one in sold.prices_on("pro", day)]
            for day in (date(2025, 12, 31), date(2026, 6, 30), date(2026, 7, 1))
        ]
        assert found == [[], [first.version_id], [second.version_id]]


def test_prices_keep_the_order_in_which_they_were_declared() -> None:
    fee, calls = price("fee", flat("1")), price("calls", flat("1"))
    sold = shop(plan(), fee, calls, later(fee, effective_from=date(2026, 7, 1)))
    assert [one.code for one in sold.prices_on("pro", date(2026, 8, 1))] == ["fee", "calls"]


def test_a_plan_holds_from_before_its_first_version() -> None:
    one = plan(effective_from=date(2026, 7, 1))
    assert shop(one).plan_on("pro", date(2026, 1, 1)) == one
    assert shop(one).plan_on("max", date(2026, 1, 1)) is None


def test_bundles_within_bundles_are_found_once() -> None:
    sold = shop(
        plan("a", includes=("b", "c")), plan("b", includes=("c", "a")), plan("c"),
    )  # fmt: skip
    assert sold.plans_within("a", date(2026, 1, 1)) == ("a", "b", "c")


def test_days_on_which_something_begins() -> None:
    """Those of the plan, of its bundles, even of a later version, and of all their prices."""
    sold = shop(
        plan("a"), plan("a", includes=("b",), effective_from=date(2026, 3, 1)),
        plan("b", includes=("a",)),
        price("x", flat("1"), plan="b", effective_from=date(2026, 2, 1)),
        price("y", flat("1"), plan="else", effective_from=date(2026, 1, 1)),
    )  # fmt: skip
    assert sold.first_days("a") == (date(2026, 2, 1), date(2026, 3, 1))
