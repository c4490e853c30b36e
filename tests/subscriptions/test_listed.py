"""Lists of subscriptions: what holds now, what is to come, and that spells follow amendments."""

from datetime import UTC, date, datetime
from fractions import Fraction
from uuid import UUID

import pytest

from kvit.parties.rows import CustomerRow, Tenant
from kvit.parties.services import apply_customers
from kvit.subscriptions import queries, services
from kvit.subscriptions.models import Spell, Subscription
from kvit.subscriptions.queries import Asked
from kvit.subscriptions.rows import NewAmendment, NewSubscription

NOW = datetime(2026, 11, 10, 9, tzinfo=UTC)
ACTOR = "user:7"


@pytest.fixture
def payers(tenant: Tenant) -> dict[str, UUID]:
    from kvit.parties import queries as parties

    rows = [CustomerRow("alfa", "ООО «Альфа»"), CustomerRow("beta", "ООО «Бета»")]
    apply_customers(rows, actor=ACTOR, now=NOW, reason="test")
    return {code: one.id for code, one in parties.customers_by_code(["alfa", "beta"]).items()}


@pytest.fixture
def five(payers: dict[str, UUID]) -> dict[str, UUID]:
    """Five subscriptions, one in each state; `a` becomes `max` on 1 December, `d` has −15 %."""
    alfa, beta = payers["alfa"], payers["beta"]
    rows = [
        opened("a", alfa, date(2026, 10, 1)),
        opened("b", beta, date(2026, 10, 1)),
        opened("c", alfa, date(2026, 9, 1)),
        opened("d", alfa, date(2026, 12, 1), discount={"percent": "15"}),
        NewSubscription("e", beta, "max", "Europe/Moscow", date(2026, 8, 1), date(2027, 1, 1)),
    ]
    ids = services.open_many(rows, actor=ACTOR, now=NOW)
    amend(
        ("a", "plan", "max", date(2026, 12, 1)),
        ("b", "pause", None, date(2026, 11, 1)),
        ("c", "cancel", None, date(2026, 11, 1)),
        ("e", "addon", "vpn", date(2026, 9, 1)),
    )
    return ids


def opened(code: str, customer: UUID, start: date, **terms: object) -> NewSubscription:
    return NewSubscription(code, customer, "pro", "Europe/Moscow", start, terms=terms)


def amend(*rows: tuple[str, str, object, date]) -> None:
    made = [
        NewAmendment(code, datetime(at.year, at.month, at.day, tzinfo=UTC), change, value, "test")
        for code, change, value, at in rows
    ]
    services.amend_many(made, actor=ACTOR, now=NOW)


def codes(sort: str = "code", **asked: object) -> list[str]:
    page = queries.listed(Asked(**asked), now=NOW, sort=sort)  # type: ignore[arg-type]
    return [one.code for one in page.rows]


@pytest.mark.usefixtures("five")
def test_a_list_is_narrowed_by_what_holds_now(payers: dict[str, UUID]) -> None:
    states = {one.code: one.state for one in queries.listed(Asked(), now=NOW).rows}
    assert states == {"a": "active", "b": "paused", "c": "ended", "d": "future", "e": "ending"}
    assert {state: codes(state=state) for state in queries.STATES} == {
        "future": ["d"], "active": ["a", "e"], "ending": ["e"], "paused": ["b"], "ended": ["c"],
    }  # fmt: skip
    assert codes(plan="max") == ["e"]
    assert codes(plan="vpn") == ["e"]
    assert codes(customers=[payers["beta"]]) == ["b", "e"]
    assert codes(scheduled=True) == ["a", "e"]
    assert codes(sort="change") == ["a", "e"]
    assert codes(special=True) == ["d"]
    assert codes(since=date(2026, 10, 1), until=date(2026, 12, 1)) == ["a", "b"]
    assert codes(sort="-starts") == ["d", "a", "b", "c", "e"]


def test_what_is_to_come_is_told(five: dict[str, UUID]) -> None:
    one = queries.standing([five["a"]], now=NOW)[five["a"]]
    assert (one.plan, one.quantity, one.becomes) == ("pro", Fraction(1), ("max", "active"))
    assert one.changes_at == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.usefixtures("five")
def test_a_withdrawn_change_leaves_no_trace_in_the_list() -> None:
    amend(("a", "withdraw", 1, date(2026, 11, 10)))
    assert codes(scheduled=True) == ["e"]
    assert Spell.objects.filter(subscription__code="a").count() == 1
    assert list(queries.problems()) == []


@pytest.mark.usefixtures("five")
def test_plans_are_counted_with_add_ons_and_without_the_ended() -> None:
    assert queries.taken(now=NOW) == {"pro": 2, "max": 1, "vpn": 1}


def test_a_refused_amendment_leaves_the_spells(five: dict[str, UUID]) -> None:
    before = list(Spell.objects.order_by("id").values_list("id", "plan", "ends_at"))
    with pytest.raises(services.AmendmentRefused):
        amend(("a", "quantity", "3", date(2026, 11, 1)), ("c", "quantity", "2", date(2026, 12, 1)))
    assert list(Spell.objects.order_by("id").values_list("id", "plan", "ends_at")) == before


def test_who_has_a_plan_later_is_found_too(five: dict[str, UUID]) -> None:
    chunks = queries.on_plans(["max"], since=datetime(2026, 12, 5, tzinfo=UTC), size=1)
    assert sorted(key for chunk in chunks for key in chunk) == sorted([five["a"], five["e"]])


def test_a_spell_that_does_not_follow_is_named(five: dict[str, UUID]) -> None:
    Spell.objects.filter(subscription__code="b").update(plan="other")
    found = [(one.code, one.row) for one in queries.problems()]
    assert found == [("subscriptions_spells_do_not_follow", "subscription:b")]


def test_the_first_page_asks_the_same_number_of_queries_for_more_rows(
    five: dict[str, UUID], payers: dict[str, UUID], django_assert_num_queries: object
) -> None:
    more = [opened(f"x{n}", payers["alfa"], date(2026, 10, 1)) for n in range(40)]
    services.open_many(more, actor=ACTOR, now=NOW)
    assert Subscription.objects.count() == 45
    with django_assert_num_queries(2):  # type: ignore[operator]
        queries.listed(Asked(), now=NOW)


def test_the_migration_writes_what_the_services_would(five: dict[str, UUID]) -> None:
    from importlib import import_module

    from django.apps import apps

    def rows() -> list[tuple[object, ...]]:
        return list(
            Spell.objects.order_by("subscription_id", "place").values_list(
                "subscription_id", "place", "starts_at", "ends_at", "plan", "payer_id",
                "quantity", "state", "is_special", "add_ons",
            )
        )  # fmt: skip

    before = rows()
    Spell.objects.all().delete()
    import_module("kvit.subscriptions.migrations.0003_spells_of_before").write_spells(apps, None)
    assert rows() == before
