"""Where an event ended: any id ever sent has an answer, with the step where it stopped."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from kvit.invoicing import services as invoicing
from kvit.metering import queries as metering
from kvit.metering import services
from kvit.metering.queries import EventFilter
from kvit.metering.rows import EventIn, RejectedIn
from kvit.web import fates
from tests.invoicing.company import (
    ACTOR,
    BEGIN,
    LATER,
    NOVEMBER,
    OCTOBER,
    ZONE,
    amend,
    bill,
    invoice,
    use,
)

pytestmark = pytest.mark.usefixtures("acme")
OCTOBER_10 = datetime(2026, 10, 10, 9, tzinfo=UTC)


def send(key: str, subject: str = "n-1", meter: str = "calls", **more: Any) -> None:
    kind = more.pop("kind", "subscription")
    now = more.pop("now", BEGIN)
    values = {"time": OCTOBER_10, "value": Decimal(5)} | more
    event = EventIn(key, kind, subject, meter, **values)
    services.ingest([event], source="test", actor=ACTOR, now=now)


def ended(key: str) -> tuple[str, str, str]:
    """Return the outcome, the last step's text and the remedy."""
    [fate] = fates.fates_of(key, zone=ZONE, lang="en")
    return fate.outcome, fate.steps[-1].text, fate.remedy


def test_a_billed_event_leads_to_its_line() -> None:
    bill()
    [fate] = fates.fates_of("n-1/2026-10-10/10000", zone=ZONE, lang="en")
    assert [(step.code, step.text) for step in fate.steps] == [
        ("received", "test"),
        ("accepted", "usage version 1"),
        ("meter", "Вызовы"),
        ("subscription", "n-1"),
        ("period", "October 2026"),
        ("charge", "calls: ₽1,000.00"),
        ("invoice", "no. 2026-00001, line 2"),
    ]
    assert (fate.outcome, fate.remedy) == ("billed", "")
    assert fate.steps[-1].about == ("invoice", str(invoice().id), "2")


def test_where_an_event_waits_and_what_to_do() -> None:
    send("no-meter", meter="colls")
    send("no-subscription", "n-9")
    send("no-customer", "east", kind="customer")
    send("before", time=datetime(2026, 9, 20, tzinfo=UTC))
    assert [ended(key)[:2] for key in ("no-meter", "no-subscription", "no-customer", "before")] == [
        ("stopped", "the catalogue has no meter “colls”"),
        ("stopped", "there is no subscription “n-9”"),
        ("stopped", "there is no customer “east”"),
        ("stopped", "the subscription n-1 does not serve at that time"),
    ]
    assert ended("no-meter")[2].startswith("Add the meter")


def test_an_event_waits_for_its_run_and_a_late_one_for_the_next() -> None:
    send("soon")
    assert ended("soon") == (
        "waits", "its period has not been charged yet", "Start a run of its period.",
    )  # fmt: skip
    bill()
    assert ended("soon")[0] == "billed"
    send("late", now=LATER)
    assert ended("late")[0] == "waits"
    assert "recalculation" in ended("late")[1]
    bill(NOVEMBER)
    [fate] = fates.fates_of("late", zone=ZONE, lang="en")
    assert fate.steps[-1].text == "no. 2026-00003, line 1"
    assert fates.fates_of("soon", zone=ZONE, lang="en")[0].steps[-1].text == (
        "no. 2026-00001, line 2"
    )


def test_a_meter_that_the_plan_does_not_price_is_named() -> None:
    amend("n-1", OCTOBER.start, "plan", "pre")
    bill()
    assert ended("n-1/2026-10-10/10000")[:2] == (
        "stopped", "no price of the plan asks for this meter",
    )  # fmt: skip


def test_a_draft_waits_for_a_person() -> None:
    found_again(approval=True)
    bill()
    assert ended("n-1/2026-10-10/10000") == ("waits", "a draft, line 2", "Approve the draft.")
    invoicing.refuse([invoice().id], reason="Ошибка", actor=ACTOR, now=LATER)
    assert ended("n-1/2026-10-10/10000")[:2] == (
        "waits", "the charge is on no invoice yet: the next run takes it",
    )  # fmt: skip


def found_again(*, approval: bool) -> None:
    from kvit.parties import services as parties
    from kvit.parties.rows import SellerRow

    seller = SellerRow("main", "ООО «Акме»", approval=approval)
    parties.apply_sellers([seller], actor=ACTOR, now=BEGIN, reason="test")


def test_an_undone_event_says_why() -> None:
    services.retract([("test", "n-1/2026-10-10/10000")], reason="Сбой", actor=ACTOR, now=LATER)
    assert ended("n-1/2026-10-10/10000")[:2] == ("stopped", "reason: Сбой")


def test_a_disputed_and_a_rejected_id_are_found() -> None:
    send("one")
    send("one", value=Decimal(6))
    bad = RejectedIn(7, "value", "bad_value", {"value": "много", "id": "two"}, "two;…;много", "two")
    services.ingest([], source="file", actor=ACTOR, now=BEGIN, rejected=[bad])
    accepted, disputed = fates.fates_of("one", zone=ZONE, lang="en")
    assert (accepted.outcome, disputed.outcome) == ("waits", "stopped")
    assert disputed.conflict_id is not None
    services.resolve_conflict(
        disputed.conflict_id, outcome="replace", reason="Верно 6", actor=ACTOR, now=LATER
    )
    [fate] = fates.fates_of("one", zone=ZONE, lang="en")
    assert [step.code for step in fate.steps[:3]] == ["received", "accepted", "replaced"]
    [rejected] = fates.fates_of("two", zone=ZONE, lang="en")
    assert (rejected.outcome, rejected.steps[-1].code, rejected.remedy != "") == (
        "stopped", "rejected", True,
    )  # fmt: skip
    services.ingest(
        [EventIn("two", "subscription", "n-1", "calls", OCTOBER_10, Decimal(1))],
        source="file", actor=ACTOR, now=LATER,
    )  # fmt: skip
    assert [one.outcome for one in fates.fates_of("two", zone=ZONE, lang="en")] == ["waits"]


def test_an_id_that_nobody_sent_is_said_so() -> None:
    with pytest.raises(fates.EventNeverSeen, match="never received the event “x”"):
        fates.fates_of("x", zone=ZONE, lang="en")


def test_lists_pages_sums_and_days() -> None:
    for day in (1, 1, 2, 5):
        use("s-1", day * 10, date(2026, 10, day))
    use("s-1", 99, date(2026, 10, 1))
    page = metering.events(EventFilter(), limit=2)
    assert [row.event_id for row in page.rows] == ["s-1/2026-10-01/99", "s-1/2026-10-05/50"]
    assert page.count is None
    rest = metering.events(EventFilter(), after=page.next or "", limit=10)
    assert [row.event_id for row in rest.rows][-1] == "n-1/2026-10-10/10000"
    own = EventFilter(subject_kind="subscription", subject="s-1", meter="calls")
    by_time = metering.events(own, order="-time")
    assert ([row.value for row in by_time.rows], by_time.count) == ([50, 20, 99, 10], 4)
    sums = metering.intake_sums()
    assert (sums.accepted, sums.repeated) == (5, 0)
    since, until = OCTOBER.start_instant(ZONE), OCTOBER.end_instant(ZONE)
    days = metering.by_day("calls", zone=ZONE, since=since, until=until,
                           subject=("subscription", "s-1"))  # fmt: skip
    assert days is not None
    assert [(one.day.day, one.events, one.value) for one in days] == [
        (1, 2, 109), (2, 1, 20), (5, 1, 50),
    ]  # fmt: skip
    services.retract([("test", "s-1/2026-10-05/50")], reason="Сбой", actor=ACTOR, now=LATER)
    undone = metering.events(EventFilter(retracted=True)).rows
    assert [(row.event_id, row.retraction_reason) for row in undone] == [
        ("s-1/2026-10-05/50", "Сбой")
    ]
    everybody = metering.by_day("calls", zone=ZONE, since=since, until=until, subject=None)
    assert everybody is not None
    assert sum(one.events for one in everybody) == 4
    assert metering.sources() == ["test"]
    assert [one.accepted for one in metering.listed_batches(limit=1).rows] == [1]
