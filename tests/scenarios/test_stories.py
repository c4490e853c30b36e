"""Lives of subscriptions, told step by step and billed to the kopeck. Sums are without VAT."""

import pytest

from kvit.core.catalogue import Meter, PlanTerms
from kvit.parties.rows import Tenant
from tests.scenarios.story import Story, price

PER_CALL = {"model": "graduated", "tiers": [{"up_to": "100", "unit": "0"}, {"unit": "0.10"}]}


def flat(amount: str) -> dict[str, object]:
    return {"model": "flat", "amount": amount}


def shop(story: Story) -> Story:
    """pro 3 100.00 and max 6 200.00 a month by days, in arrears; calls: 100 free, then 0.10."""
    return story.sell(
        Meter("calls", "Вызовы", "вызов", "sum"),
        PlanTerms("pro", "Профи"),
        price("pro", "fee", flat("3100.00")),
        price("pro", "calls", PER_CALL, meter="calls"),
        PlanTerms("max", "Макс"),
        price("max", "fee", flat("6200.00")),
        price("max", "calls", PER_CALL, meter="calls"),
        PlanTerms("quarterly", "Квартал", cycle="quarter"),
        price("quarterly", "fee", flat("9200.00")),
        PlanTerms("ahead", "Вперёд"),
        price("ahead", "fee", flat("3100.00"), when="advance"),
        price("ahead", "calls", PER_CALL, meter="calls"),
    ).customers("alfa", "beta")


@pytest.fixture
def story(tenant: Tenant) -> Story:
    return shop(Story())


@pytest.fixture
def corrected(tenant: Tenant) -> Story:
    """The same company, which corrects the original document instead of the open period."""
    return shop(Story(late_events="correction"))


def test_an_upgrade_in_the_middle_of_a_month(story: Story) -> None:
    """3 100 × 15/31 = 1 500.00; 6 200 × 16/31 = 3 200.00; the calls go on: 200 − 100 free."""
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro")
    story.at("2026-10-16").use("a-1", "calls", 100, on="2026-10-05").change("a-1", "plan", "max")
    story.use("a-1", "calls", 100, on="2026-10-20")
    story.expect(
        "subscriptions.subscription.opened",
        "metering.usage.accepted",
        "subscriptions.subscription.amended",
        "metering.usage.accepted",
    )
    assert story.at("2026-11-01").bill("2026-10") == [
        "alfa fee 01.10…16.10 1500.00",
        "alfa fee 16.10…01.11 3200.00",
        "alfa calls 01.10…16.10 0.00",
        "alfa calls 16.10…01.11 10.00",
    ]


def test_a_backdated_upgrade_joins_the_open_month(story: Story) -> None:
    """Learned on 10 November that it holds from 16 October: −1 600.00 and +3 200.00."""
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro")
    assert story.at("2026-11-01").bill("2026-10") == ["alfa fee 01.10…01.11 3100.00"]
    story.at("2026-11-10").change("a-1", "plan", "max", since="2026-10-16")
    assert story.bill("2026-10") == []  # October stands as it was issued
    assert story.at("2026-12-01").bill("2026-11") == [
        "alfa fee 01.10…16.10 -1600.00",
        "alfa fee 16.10…01.11 3200.00",
        "alfa fee 01.11…01.12 6200.00",
    ]
    assert story.charged("a-1") == 310_000 + 160_000 + 620_000


def test_a_backdated_upgrade_corrects_the_original(corrected: Story) -> None:
    corrected.at("2026-10-01").subscribe("a-1", "alfa", "pro")
    corrected.at("2026-11-01").bill("2026-10")
    corrected.at("2026-11-10").change("a-1", "plan", "max", since="2026-10-16")
    assert sorted(corrected.at("2026-12-01").bill("2026-11")) == [
        "alfa debit_note fee 01.10…16.10 -1600.00",
        "alfa debit_note fee 16.10…01.11 3200.00",
        "alfa fee 01.11…01.12 6200.00",
    ]
    kinds = sorted((one.kind, one.total_minor) for one in corrected.new)
    assert kinds == [("debit_note", 160_000), ("invoice", 620_000)]


def test_what_was_withdrawn_is_given_back(story: Story) -> None:
    """The upgrade of above was a mistake after all: the sums of October are the former ones.

    Less is asked than is given back: the document is a credit note.
    """
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro")
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-10").change("a-1", "plan", "max", since="2026-10-16")
    story.at("2026-12-01").bill("2026-11")
    story.at("2026-12-05").change("a-1", "withdraw", 1)
    assert story.at("2027-01-01").bill("2026-12") == [
        "alfa credit_note fee 01.10…01.11 1600.00",
        "alfa credit_note fee 16.10…01.11 -3200.00",
        "alfa credit_note fee 01.11…01.12 -3100.00",
        "alfa credit_note fee 01.12…01.01 3100.00",
    ]
    assert story.charged("a-1") == 3 * 310_000


def test_late_usage_costs_the_tier_of_its_own_month(story: Story) -> None:
    """October had used 60 of its 100 free calls; 50 late ones cost 10 × 0.10."""
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro").use("a-1", "calls", 60)
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-03").use("a-1", "calls", 50, on="2026-10-31T23:59:59", event="late")
    assert story.at("2026-12-01").bill("2026-11") == [
        "alfa calls 01.10…01.11 1.00",
        "alfa fee 01.11…01.12 3100.00",
    ]
    story.at("2026-12-03").retract("late")
    assert "alfa calls 01.10…01.11 -1.00" in story.at("2027-01-01").bill("2026-12")


def test_late_usage_makes_a_note_of_its_own_document(corrected: Story) -> None:
    corrected.at("2026-10-01").subscribe("a-1", "alfa", "pro").use("a-1", "calls", 100)
    corrected.at("2026-11-01").bill("2026-10")
    corrected.at("2026-11-03").use("a-1", "calls", 50, on="2026-10-20")
    assert corrected.bill("2026-10") == ["alfa debit_note calls 01.10…01.11 5.00"]


def test_a_backdated_end_gives_back_and_its_withdrawal_asks_again(story: Story) -> None:
    """Ended from 20 October, learned in November: −3 100 × 12/31 = −1 200.00, and no November."""
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro").subscribe("b-1", "alfa", "pro")
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-10").change("a-1", "cancel", since="2026-10-20")
    assert story.at("2026-12-01").bill("2026-11") == [
        "alfa fee 01.10…20.10 -1200.00",
        "alfa fee 01.11…01.12 3100.00",
    ]
    story.at("2026-12-10").change("a-1", "withdraw", 1)
    assert story.at("2027-01-01").bill("2026-12") == [
        "alfa fee 01.10…01.11 1200.00",
        "alfa fee 01.12…01.01 3100.00",
        "alfa fee 01.12…01.01 3100.00",
    ]
    assert story.bill("2026-11") == ["alfa fee 01.11…01.12 3100.00"]
    assert story.charged("a-1") == story.charged("b-1") == 3 * 310_000


def test_another_cycle_from_the_middle_of_a_month(story: Story) -> None:
    """The month to the 16th: 1 500.00. The quarter from the 16th: 9 200 × 77/92 = 7 700.00."""
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro")
    story.at("2026-10-16").change("a-1", "plan", "quarterly")
    assert story.at("2026-11-01").bill("2026-10") == ["alfa fee 01.10…16.10 1500.00"]
    assert story.at("2026-12-01").bill("2026-11") == []
    assert story.at("2027-01-01").bill("2026-12") == ["alfa fee 16.10…01.01 7700.00"]


def test_another_cycle_learned_late(story: Story) -> None:
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro")
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-10").change("a-1", "plan", "quarterly", since="2026-10-16")
    assert story.at("2026-12-01").bill("2026-11") == ["alfa credit_note fee 01.10…16.10 -1600.00"]
    story.at("2027-01-01").bill("2026-12")
    assert story.charged("a-1") == 150_000 + 770_000


def test_a_fee_in_advance_is_taken_back_by_days(story: Story) -> None:
    """Paid for November on its first day; ended from the 16th: −3 100 × 15/30 = −1 550.00."""
    story.at("2026-11-01").subscribe("a-1", "alfa", "ahead").subscribe("b-1", "alfa", "ahead")
    assert story.bill("2026-11") == ["alfa fee 01.11…01.12 3100.00"] * 2
    story.at("2026-11-10").change("a-1", "cancel", since="2026-11-16")
    assert story.at("2026-12-01").bill("2026-12") == [
        "alfa fee 01.11…16.11 -1550.00",
        "alfa fee 01.12…01.01 3100.00",
    ]


def test_meter_readings_with_a_late_one_between(story: Story) -> None:
    """100 → (late 180) → 300, then another meter from 5: the kilowatts are paid once.

    November's 200 become September's … October's 80 and November's 120 when the reading of
    31 October turns up; the new meter's first reading costs nothing.
    """
    story.sell(
        Meter("kwh", "Электричество", "кВт·ч", "difference", dimensions=("serial",)),
        PlanTerms("power", "Свет"),
        price("power", "kwh", {"model": "per_unit", "unit": "1.00"}, meter="kwh"),
    )
    story.at("2026-10-01").subscribe("p-1", "beta", "power")
    story.use("p-1", "kwh", 100, on="2026-09-30", serial="A")
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-30").use("p-1", "kwh", 300, serial="A")
    assert story.at("2026-12-01").bill("2026-11") == ["beta kwh 01.11…01.12 200.00"]
    story.at("2026-12-02").use("p-1", "kwh", 180, on="2026-10-31", serial="A")
    story.use("p-1", "kwh", 5, on="2026-12-03", serial="B")
    story.use("p-1", "kwh", 25, on="2026-12-30", serial="B")
    assert story.at("2027-01-01").bill("2026-12") == [
        "beta kwh 01.10…01.11 80.00",
        "beta kwh 01.11…01.12 -80.00",
        "beta kwh 01.12…01.01 20.00",
    ]
    assert story.charged("p-1") == 22_000


def test_a_level_lasts_until_it_changes(story: Story) -> None:
    """10 GB in Moscow and 20 in Omsk from October on; nobody touches them in November."""
    story.sell(
        Meter("disk", "Диск", "ГБ", "time_weighted", dimensions=("site",)),
        PlanTerms("store", "Хранение"),
        price(
            "store", "disk", {"model": "per_unit", "unit": "3.00"}, meter="disk",
            group_by=("site",),
        ),
    )  # fmt: skip
    story.at("2026-10-01").subscribe("s-1", "beta", "store")
    story.use("s-1", "disk", 10, site="msk").use("s-1", "disk", 20, site="oms")
    whole = ["beta disk {} 30.00", "beta disk {} 60.00"]
    assert story.at("2026-11-01").bill("2026-10") == [w.format("01.10…01.11") for w in whole]
    assert story.at("2026-12-01").bill("2026-11") == [w.format("01.11…01.12") for w in whole]
    story.at("2026-12-01").use("s-1", "disk", 0, site="oms")
    assert story.at("2027-01-01").bill("2026-12") == ["beta disk 01.12…01.01 30.00"]


def test_a_transfer_learned_late_moves_the_debt(story: Story) -> None:
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro").subscribe("a-2", "alfa", "pro")
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-10").change("a-1", "transfer", "beta", since="2026-10-16")
    assert sorted(story.at("2026-12-01").bill("2026-11")) == [
        "alfa fee 01.10…16.10 -1600.00",
        "alfa fee 01.11…01.12 3100.00",
        "beta fee 01.11…01.12 3100.00",
        "beta fee 16.10…01.11 1600.00",
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_changes_of_one_moment_in_any_order(story: Story, order: tuple[int, ...]) -> None:
    """max from the 16th with −10 % instead of −50 %: 3 200.00 × 0.9."""
    story.at("2026-10-01").subscribe(
        "a-1", "alfa", "pro", terms={"discount": {"code": "half", "percent": "50"}}
    )
    rows = [
        ("a-1", "discount", {"remove": "all"}, "2026-10-16"),
        ("a-1", "discount", {"percent": "10"}, "2026-10-16"),
        ("a-1", "plan", "max", "2026-10-16"),
    ]
    story.at("2026-10-10").changes(*[rows[place] for place in order])
    assert story.at("2026-11-01").bill("2026-10") == [
        "alfa fee 01.10…16.10 750.00",
        "alfa fee 16.10…01.11 2880.00",
    ]


def test_a_second_thought_about_the_same_moment_holds(story: Story) -> None:
    story.sell(
        PlanTerms("seats", "Места"), price("seats", "seat", {"model": "per_unit", "unit": "1"})
    )
    story.at("2026-10-01").subscribe("a-1", "alfa", "seats")
    story.change("a-1", "quantity", "9").change("a-1", "quantity", "5")
    assert story.at("2026-11-01").bill("2026-10") == ["alfa seat 01.10…01.11 5.00"]


def test_a_milestone_told_late_is_charged(story: Story) -> None:
    story.sell(PlanTerms("work", "Работы"), price("work", "beta", flat("700.00"), when="milestone"))
    story.at("2026-10-01").subscribe("w-1", "beta", "work")
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-10").change("w-1", "milestone", "beta", since="2026-10-20")
    assert story.at("2026-12-01").bill("2026-11") == ["beta beta 01.10…01.11 700.00"]
    assert story.at("2027-01-01").bill("2026-12") == []


def test_a_held_price_keeps_what_it_was_charged(story: Story) -> None:
    """The catalogue's row broke between two bills; late usage must not give October's fee back."""
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro").use("a-1", "calls", 100)
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-10").use("a-1", "calls", 10, on="2026-10-20")
    held = frozenset({("pro", "fee")})
    assert story.at("2026-12-01").bill("2026-11", held_prices=held) == [
        "alfa calls 01.10…01.11 1.00"
    ]
    assert story.bill("2026-11") == ["alfa fee 01.11…01.12 3100.00"]


def test_usage_of_a_customer_belongs_to_his_only_subscription(story: Story) -> None:
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro")
    story.use("alfa", "calls", 150, kind="customer").use("a-1", "calls", 50)
    assert story.at("2026-11-01").bill("2026-10") == [
        "alfa fee 01.10…01.11 3100.00",
        "alfa calls 01.10…01.11 10.00",
    ]


def test_an_add_on_learned_late_is_late(story: Story) -> None:
    story.sell(PlanTerms("ip", "Адрес"), price("ip", "ip", flat("310.00")))
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro")
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-05").change("a-1", "addon", "ip", since="2026-10-22")
    assert story.bill("2026-10") == []
    assert story.at("2026-12-01").bill("2026-11") == [
        "alfa ip 22.10…01.11 100.00",
        "alfa fee 01.11…01.12 3100.00",
        "alfa ip 01.11…01.12 310.00",
    ]


def test_a_pause_learned_late(story: Story) -> None:
    """Paused 11–21 October: −3 100 × 10/31 = −1 000.00; the calls of those days stay owed."""
    story.at("2026-10-01").subscribe("a-1", "alfa", "pro").use("a-1", "calls", 200, on="2026-10-15")
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-05").changes(
        ("a-1", "resume", None, "2026-10-21"), ("a-1", "pause", None, "2026-10-11")
    )
    assert story.at("2026-12-01").bill("2026-11") == [
        "alfa fee 01.10…11.10 -2100.00",
        "alfa fee 21.10…01.11 1100.00",
        "alfa fee 01.11…01.12 3100.00",
    ]


def metered(story: Story, document: dict[str, object]) -> Story:
    return story.sell(
        Meter("gb", "Трафик", "ГБ", "sum"),
        PlanTerms("net", "Сеть"),
        price("net", "gb", document, meter="gb"),
    )


@pytest.mark.parametrize("learned", ["before November is billed", "after"])
def test_bonus_points_are_spent_once_whenever_usage_is_learned(story: Story, learned: str) -> None:
    """100 points, 60 GB in October and 60 in November at 1.00: 20.00 to pay. 30 GB of October
    come late and take 30 points more there, so November has 30 less: 50.00 in all."""
    metered(story, {"model": "per_unit", "unit": "1.00"})
    bonus = {"discount": {"code": "points", "bonus": "100.00"}}
    story.at("2026-10-01").subscribe("s-1", "alfa", "net", terms=bonus).use("s-1", "gb", 60)
    story.at("2026-11-01").use("s-1", "gb", 60).bill("2026-10")
    if learned == "after":
        assert story.at("2026-12-01").bill("2026-11") == ["alfa gb 01.11…01.12 20.00"]
        story.use("s-1", "gb", 30, on="2026-10-20")
        assert story.bill("2026-11") == []
        assert story.at("2027-01-01").bill("2026-12") == ["alfa gb 01.11…01.12 30.00"]
    else:
        story.use("s-1", "gb", 30, on="2026-10-20")
        assert story.at("2026-12-01").bill("2026-11") == ["alfa gb 01.11…01.12 50.00"]
    assert story.charged("s-1") == 5_000


def test_an_allowance_that_late_usage_takes_is_not_carried_over(story: Story) -> None:
    """50 GB a month, what is left goes over once: 20 used in October, 80 in November: nothing to
    pay. 20 GB of October come late: November has 60 free and pays 20.00."""
    overage = {"model": "per_unit", "unit": "1.00"}
    metered(story, {"model": "allowance", "included": "50", "carry_periods": 1, "price": overage})
    story.at("2026-10-10").subscribe("s-1", "alfa", "net").use("s-1", "gb", 20)
    story.at("2026-11-01").use("s-1", "gb", 80).bill("2026-10")
    story.at("2026-12-01").bill("2026-11")
    assert story.charged("s-1") == 0
    story.use("s-1", "gb", 20, on="2026-10-20")
    story.at("2027-01-01").bill("2026-12")
    assert story.charged("s-1") == 2_000
