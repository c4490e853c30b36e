"""Bills that start themselves: by schedule, by a threshold of usage or money, by an event."""

from datetime import date, timedelta
from fractions import Fraction

import pytest

from kvit.core.catalogue import Meter, PlanTerms, PriceTerms
from kvit.core.periods import local_date
from kvit.core.pricing import parse_price
from kvit.invoicing import jobs, queries, services
from kvit.invoicing.models import Firing, RunOrder, Trigger
from kvit.invoicing.rows import TriggerRow
from kvit.parties import queries as parties
from kvit.parties.rows import Tenant
from kvit.platform import jobs as platform_jobs
from kvit.platform.consumers import drain_all
from kvit.platform.models import AuditRow, Delivery
from tests.scenarios.story import ACTOR, ZONE, Story

FEE = {"model": "flat", "amount": "300.00"}


@pytest.fixture
def story(tenant: Tenant) -> Story:
    """Three customers: usage at 1.00 with a threshold of 100.00, a prepaid fee, a milestone."""
    calls = {"meter": "calls", "prorate": "none"}
    unit = parse_price({"model": "per_unit", "unit": "1.00"})
    return (
        Story()
        .sell(
            Meter("calls", "", "", "sum"),
            PlanTerms("talk", "", threshold=Fraction(100)),
            PriceTerms("talk", "calls", "", unit, **calls),
            PlanTerms("open", ""),
            PriceTerms("open", "calls", "", unit, **calls),
            PlanTerms("club", "", scheme="prepaid"),
            PriceTerms("club", "fee", "", parse_price(FEE)),
            PlanTerms("works", ""),
            PriceTerms("works", "half", "", parse_price(FEE), when="milestone"),
        )
        .customers("alfa", "beta", "gamma")
        .at("2026-10-01")
        .subscribe("t", "alfa", "talk")
    )


def state(story: Story, *rows: TriggerRow) -> None:
    services.state_triggers(rows, actor=ACTOR, now=story.now)


def look(story: Story, when: str = "") -> list[str]:
    """Deliver what waits, look, and return the new documents: customer, total in kopecks."""
    if when:
        story.at(when)
    drain_all()
    known = {one.id for one in queries.of_period(month(story))}
    services.look(now=story.now + timedelta(seconds=1))
    story._checked()
    codes = {one.id: code for code, one in parties.customers().items()}
    return [
        f"{codes[one.customer_id]} {one.total_minor}"
        for one in queries.of_period(month(story))
        if one.id not in known
    ]


def month(story: Story) -> date:
    return local_date(story.now, ZONE).replace(day=1)


def test_usage_that_reaches_its_threshold_is_billed_and_not_again(story: Story) -> None:
    state(story, TriggerRow("money", "threshold"))
    story.subscribe("o", "beta", "open").subscribe("c", "gamma", "club")
    story.at("2026-10-05").use("t", "calls", 99).use("o", "calls", 500)
    assert look(story) == []
    story.at("2026-10-06").use("t", "calls", 1)
    assert look(story) == ["alfa 10000"]
    assert look(story) == []
    story.use("t", "calls", 50)
    assert look(story) == []
    story.use("t", "calls", 50)
    assert look(story) == ["alfa 10000"]
    assert Firing.objects.count() == 2
    # The month's own run bills the rest: nothing of the others was touched.
    story.use("t", "calls", 7)
    story.at("2026-11-01").bill("2026-10")
    assert [story.charged(code) for code in ("t", "o", "c")] == [20_700, 50_000, 30_000]


def test_a_threshold_of_usage_needs_no_word_in_the_plan(story: Story) -> None:
    state(story, TriggerRow("units", "threshold", meter="calls", units="200"))
    story.subscribe("o", "beta", "open").at("2026-10-05").use("o", "calls", 199)
    assert look(story) == []
    story.use("o", "calls", "1.5")
    assert look(story) == ["beta 20050"]


def test_a_milestone_is_billed_when_it_is_told_and_a_repeat_is_not(story: Story) -> None:
    state(story, TriggerRow("done", "event", event="milestone"))
    story.subscribe("w", "beta", "works").at("2026-10-05").change("w", "milestone", "half")
    story.use("t", "calls", 20)
    assert look(story) == ["beta 30000"]
    assert look(story, "2026-10-06") == []
    story.at("2026-11-01").bill("2026-10")
    assert [story.charged(code) for code in ("w", "t")] == [30_000, 2_000]


def test_an_event_of_the_future_waits_for_its_day(story: Story) -> None:
    state(
        story, TriggerRow("in", "event", event="open"), TriggerRow("out", "event", event="cancel")
    )
    story.at("2026-10-05").subscribe("c", "beta", "club", start="2026-10-20")
    assert look(story) == []
    assert look(story, "2026-10-20") == ["beta 11613"]  # 300.00 × 12/31
    story.subscribe("o", "gamma", "open").use("o", "calls", 5)
    story.change("o", "cancel", since="2026-10-25")
    assert look(story) == []
    assert look(story, "2026-10-25") == ["gamma 500"]


def test_a_schedule_orders_the_month_before_once(story: Story) -> None:
    state(story.at("2026-10-05"), TriggerRow("month", "schedule", day=2, time="06:00"))
    story.use("t", "calls", 20)
    assert look(story, "2026-11-02T05:58:00") == []
    look(story, "2026-11-02T06:00:00")
    look(story, "2026-11-02T06:01:00")
    (order,) = RunOrder.objects.all()
    assert (order.action, str(order.period_start), order.author) == (
        "bill", "2026-10-01", "trigger:month"
    )  # fmt: skip
    perform(order, story)
    assert story.charged("t") == 2_000
    (seen,) = queries.triggers()
    assert (seen.fired, seen.last_key) == (1, "2026-10-01")
    # Two months of silence: each is ordered, the earlier first, one after the other.
    look(story, "2027-01-02T06:00:00")
    assert str(RunOrder.objects.order_by("pk").last().period_start) == "2026-11-01"
    look(story)
    perform(RunOrder.objects.order_by("pk").last(), story)
    look(story)
    assert [str(one) for one in RunOrder.objects.order_by("pk").values_list(
        "period_start", flat=True)] == ["2026-10-01", "2026-11-01", "2026-12-01"]  # fmt: skip


def perform(order: RunOrder, story: Story) -> None:
    """Do what was ordered. Its progress is written past this test's transaction, so not at all."""
    services.perform(order.pk, now=story.now)
    RunOrder.objects.filter(pk=order.pk).update(status="done")


def test_prepaid_fees_are_billed_as_their_month_begins(story: Story) -> None:
    state(story.at("2026-10-05"), TriggerRow("ahead", "schedule", day=1, period="begun"))
    story.subscribe("c", "beta", "club").use("t", "calls", 20)
    assert look(story, "2026-11-01") == ["beta 30000"]
    assert look(story) == []
    assert story.charged("t") == 0


def test_a_trigger_that_is_off_fires_nothing_and_makes_up_for_nothing(story: Story) -> None:
    row = TriggerRow("money", "threshold")
    state(story, row)
    off = TriggerRow("money", "threshold", is_on=False)
    state(story, off)
    story.at("2026-10-05").use("t", "calls", 100)
    assert look(story) == []
    state(story, row)
    assert look(story) == []
    story.use("t", "calls", 1)
    assert look(story) == ["alfa 10100"]
    told = AuditRow.objects.filter(action="invoicing.trigger.stated").order_by("recorded_at", "pk")
    assert [(one.before and one.before["is_on"], one.after["is_on"]) for one in told] == [
        (None, True), (True, False), (False, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (TriggerRow("x", "whenever"), "trigger_kind"),
        (TriggerRow("x", "schedule", day=29), "trigger_day"),
        (TriggerRow("x", "schedule", day=1, time="25:00"), "trigger_time"),
        (TriggerRow("x", "schedule", day=1, period="next"), "trigger_period"),
        (TriggerRow("x", "event", event="sneeze"), "trigger_event"),
        (TriggerRow("x", "threshold", meter="calls", units="0"), "trigger_units"),
        (TriggerRow("x", "threshold", units="5"), "trigger_units"),
    ],
)
def test_what_cannot_be_is_refused_in_words(story: Story, row: TriggerRow, code: str) -> None:
    with pytest.raises(services.TriggerRefused) as refused:
        state(story, TriggerRow("sound", "threshold"), row)
    assert refused.value.code == code
    assert refused.value.text("ru") != refused.value.text("en")
    assert not Trigger.objects.exists()


def test_without_triggers_no_event_is_delivered(story: Story) -> None:
    story.subscribe("w", "beta", "works")
    assert not Delivery.objects.filter(consumer="invoicing.triggers").exists()
    state(story, TriggerRow("done", "event", event="milestone"))
    story.change("w", "milestone", "half")
    assert Delivery.objects.filter(consumer="invoicing.triggers").count() == 1


def test_the_tick_leaves_one_look_for_a_tenant_that_has_a_trigger(story: Story) -> None:
    jobs.tick()
    assert platform_jobs._waiting(()) == set()
    state(story, TriggerRow("money", "threshold"))
    jobs.tick()
    jobs.tick()
    assert len(platform_jobs._waiting(())) == 1


def test_usage_stamped_at_this_very_moment_is_seen_by_the_next_look(story: Story) -> None:
    state(story, TriggerRow("money", "threshold"))
    story.at("2026-10-05").use("t", "calls", 100)
    assert services.look(now=story.now) == []
    assert len(services.look(now=story.now + timedelta(minutes=1))) == 1
    assert services.look(now=story.now + timedelta(minutes=2)) == []
