"""Opening and amending: what is refused changes nothing; what is recorded reaches back."""

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from kvit.parties.rows import CustomerRow, Tenant
from kvit.parties.services import apply_customers
from kvit.platform.models import EventLog
from kvit.subscriptions import queries, services
from kvit.subscriptions.models import Amendment, Subscription
from kvit.subscriptions.rows import NewAmendment, NewSubscription

NOW = datetime(2026, 11, 10, 9, tzinfo=UTC)
ACTOR = "user:7"


@pytest.fixture
def alfa(tenant: Tenant) -> UUID:
    from kvit.parties import queries as parties

    apply_customers([CustomerRow("alfa", "ООО «Альфа»")], actor=ACTOR, now=NOW, reason="test")
    return parties.customers_by_code(["alfa"])["alfa"].id


def new(customer: UUID, code: str = "a-1", **said: Any) -> NewSubscription:
    return NewSubscription(code, customer, "pro", "Europe/Moscow", date(2026, 10, 1), **said)


def amendment(change: str, value: object = None, day: int = 16, code: str = "a-1") -> NewAmendment:
    return NewAmendment(code, datetime(2026, 10, day, tzinfo=UTC), change, value, "asked for")


def record(*rows: NewAmendment) -> list[tuple[UUID, int]]:
    return services.amend_many(rows, actor=ACTOR, now=NOW)


def state() -> tuple[int, int, int, list[tuple[object, ...]]]:
    rows = Subscription.objects.values_list("code", "customer", "ends_on", "amendments")
    return (
        Subscription.objects.count(),
        Amendment.objects.count(),
        EventLog.objects.count(),
        list(rows),
    )


def test_opened_once(alfa: UUID) -> None:
    services.open_many([new(alfa)], actor=ACTOR, now=NOW)
    before = state()
    for rows in [[new(alfa)], [new(alfa, "b"), new(alfa, "b")], [new(alfa, "b"), new(alfa)]]:
        with pytest.raises(services.SubscriptionExists):
            services.open_many(rows, actor=ACTOR, now=NOW)
    assert state() == before
    info = queries.by_codes(["a-1", "none"])["a-1"]
    assert info.starts_at == datetime(2026, 9, 30, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    "said",
    [
        {"quantity": Fraction(-1)},
        {"terms": {"fee": {"model": "nonsense"}}},
        {"terms": {"discount": {"percent": "120"}}},
        {"terms": {"pin": "soon"}},
    ],
)
def test_terms_that_could_not_be_billed_open_nothing(alfa: UUID, said: dict[str, Any]) -> None:
    before = state()
    with pytest.raises(services.TermsRefused):
        services.open_many([new(alfa, "b"), new(alfa, **said)], actor=ACTOR, now=NOW)
    assert state() == before


@pytest.mark.parametrize(
    "bad",
    [
        amendment("steal"),
        amendment("quantity", "many"),
        amendment("terms", {"fee": {"model": "nonsense"}}),
        amendment("withdraw", 9),
        amendment("plan", "max", day=21),
    ],
)
def test_what_does_not_fit_is_named_by_its_row_and_nothing_is_recorded(
    alfa: UUID, bad: NewAmendment
) -> None:
    services.open_many([new(alfa)], actor=ACTOR, now=NOW)
    before = state()
    with pytest.raises(services.AmendmentRefused) as refused:
        record(amendment("quantity", "2"), bad, amendment("cancel", day=20))
    assert refused.value.row == 1
    assert state() == before


def test_an_unknown_subscription_records_nothing(alfa: UUID) -> None:
    services.open_many([new(alfa)], actor=ACTOR, now=NOW)
    before = state()
    with pytest.raises(services.SubscriptionNotFound):
        record(amendment("quantity", "2"), amendment("quantity", "2", code="none"))
    assert state() == before


@pytest.mark.parametrize("turned", [False, True])
def test_numbers_come_from_content_and_answers_in_the_order_of_rows(
    alfa: UUID, turned: bool
) -> None:
    services.open_many([new(alfa)], actor=ACTOR, now=NOW)
    rows = [
        amendment("discount", {"percent": "10"}),
        amendment("discount", {"remove": "all"}),
        amendment("plan", "max", day=3),
    ]
    numbers = [3, 2, 1]
    if turned:
        rows, numbers = rows[::-1], numbers[::-1]
    assert [number for _, number in record(*rows)] == numbers
    told = [(one.number, one.change) for one in queries.amendments_of_codes(["a-1"])["a-1"]]
    assert told == [(1, "plan"), (2, "discount"), (3, "discount")]


def test_columns_follow_the_terms(alfa: UUID) -> None:
    services.open_many([new(alfa, end=date(2026, 12, 1))], actor=ACTOR, now=NOW)
    row = NewAmendment("a-1", datetime(2026, 10, 19, 22, tzinfo=UTC), "cancel")
    record(row)
    assert queries.by_codes(["a-1"])["a-1"].ends_on == date(2026, 10, 20)
    record(amendment("withdraw", 1))
    assert queries.by_codes(["a-1"])["a-1"].ends_on == date(2026, 12, 1)


def test_a_withdrawal_reaches_back_to_what_it_withdraws(alfa: UUID) -> None:
    ids = services.open_many([new(alfa)], actor=ACTOR, now=NOW)
    record(amendment("plan", "max", day=5))
    record(amendment("withdraw", 1, day=30))
    contract = queries.contracts([ids["a-1"]], {alfa: "RUB"})[0]
    assert [at.day for _, at in contract.changes] == [5, 5]
    assert [spell.terms.plan for spell in contract.spells] == ["pro"]
    early = queries.contracts([ids["a-1"]], {alfa: "RUB"}, known={ids["a-1"]: 1})[0]
    assert [spell.terms.plan for spell in early.spells] == ["pro", "max"]
    assert early.terms_number == 1


def test_who_paid_or_was_to_pay_is_found_even_where_no_spell_is_left(alfa: UUID) -> None:
    from kvit.parties import queries as parties

    more = [CustomerRow(code, code) for code in ("beta", "gamma", "delta")]
    apply_customers(more, actor=ACTOR, now=NOW, reason="test")
    ids = {code: one.id for code, one in parties.customers_by_code(["beta", "gamma"]).items()}
    keys = services.open_many([new(alfa), new(alfa, "a-2")], actor=ACTOR, now=NOW)
    record(amendment("transfer", str(ids["beta"])))
    record(amendment("withdraw", "1"))
    record(amendment("transfer", str(ids["gamma"]), day=1, code="a-2"))  # from its first moment
    assert queries.ever_of([alfa]) == set(keys.values())
    assert queries.ever_of([ids["beta"]]) == {keys["a-1"]}
    assert queries.ever_of([ids["gamma"]]) == {keys["a-2"]}
    assert set(queries.ever_served(ids.values())) == set(keys.values())
    assert queries.ever_of([parties.customers_by_code(["delta"])["delta"].id]) == set()
