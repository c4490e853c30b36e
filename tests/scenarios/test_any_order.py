"""The law of late knowledge: whenever something is learned, all months together cost the same.

One company learns each fact at a random time, bills month after month in between and settles
differences; another knows everything before its first bill. What they charged by the end is equal,
slot by slot and payer by payer.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from kvit.core.catalogue import Meter, PlanTerms
from kvit.parties import queries as parties
from kvit.parties.rows import TenantRow
from kvit.parties.services import create_tenant
from kvit.platform.tenancy import tenant_scope
from kvit.rating.models import Charge
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.services import AmendmentRefused
from tests.scenarios.story import Story, price

MONTHS = ["2026-10", "2026-11", "2026-12", "2027-01"]
FIRST = date(2026, 10, 1)
TIERS = {"model": "graduated", "tiers": [{"up_to": "50", "unit": "0"}, {"unit": "0.33"}]}
CHANGES: list[tuple[str, Any]] = [
    ("plan", "max"), ("plan", "pro"), ("plan", "quarterly"), ("plan", "yearly"),
    ("plan", "personal"), ("quantity", "3"), ("quantity", "7"), ("transfer", "beta"),
    ("transfer", "alfa"), ("discount", {"percent": "15"}), ("discount", {"fixed": "12.34"}),
    ("discount", {"remove": "all"}), ("pause", None), ("resume", None), ("cancel", None),
    ("addon", "ip"), ("addon", {"plan": "ip", "quantity": "0"}), ("withdraw", None),
    ("scheme", "prepaid"), ("scheme", "advance_balance"), ("scheme", "postpaid"),
    ("milestone", "stage"), ("discount", {"percent": "100", "periods": 2}),
    ("trial", "2026-11-11T00:00:00+03:00"), ("discount", {"code": "b", "bonus": "55.55"}),
    ("plan", "commit"), ("plan", "commit"),
    ("terms", {"fee": {"model": "per_unit", "unit": "77.77"}}), ("terms", {"fee": None}),
]  # fmt: skip
PLANS = [
    ("pro", "month", "calendar"), ("max", "month", "calendar"),
    ("quarterly", "quarter", "calendar"), ("yearly", "year", "anniversary"),
    ("personal", "month", "anniversary"), ("commit", "month", "calendar"),
]  # fmt: skip


def per_unit(unit: str) -> dict[str, object]:
    return {"model": "per_unit", "unit": unit}


def flat(amount: str) -> dict[str, object]:
    return {"model": "flat", "amount": amount}


def sell(story: Story) -> Story:
    """Plans of every cycle with every kind of price; "max" is paid in advance, "commit" has a
    commitment."""
    meters = [
        Meter("calls", "Вызовы", "", "sum"),
        Meter("kwh", "Свет", "", "difference"),
        Meter("disk", "Диск", "", "latest"),
    ]
    things: list[Any] = [*meters, Meter("lvl", "Уровень", "", "time_weighted", None, ("site",))]
    things += [PlanTerms("ip", "Адрес"), price("ip", "ip", per_unit("31.31"))]
    for place, (code, cycle, anchor) in enumerate(PLANS):
        promised = Fraction(500) if code == "commit" else None
        advance = "advance" if code == "max" else "arrears"
        least = {**per_unit("0.7"), "minimum": "20.00"}
        things += [
            PlanTerms(code, code, cycle=cycle, anchor=anchor, commitment=promised),
            price(code, "fee", per_unit(f"{100 + place}.01"), when=advance),
            price(code, "whole", flat(f"{10 + place}.00"), prorate="none"),
            price(code, "stage", flat("9.99"), when="milestone"),
            price(code, "mini", least, meter="calls"),
            price(code, "lvl", per_unit("0.7"), meter="lvl", group_by=("site",)),
            *(price(code, meter.code, TIERS, meter=meter.code) for meter in meters),
        ]
        if code == "max":
            things.append(price(code, "setup", flat("5.00"), when="once"))
    return story.sell(*things).customers("alfa", "beta")


Fact = tuple[int, str, tuple[Any, ...]]  # the month after whose bill it is learned, kind, content


def facts(seed: int) -> list[Fact]:
    rng = random.Random(seed)
    told: list[Fact] = []
    for place in range(rng.randint(6, 12)):
        learned = rng.randint(0, len(MONTHS) - 1)
        day = FIRST + timedelta(days=rng.randint(0, 120))
        hour = rng.choice(["", "T00:00:00", "T11:30:00", "T23:59:59"])
        if rng.random() < 0.5:
            told.append((learned, "amend", (f"{day}{hour}", *rng.choice(CHANGES), rng.random())))
        else:
            meter = rng.choice(["calls", "lvl", "kwh", "disk"])
            value = rng.randint(0, 300) if meter != "kwh" else (day - FIRST).days * 10
            told.append((learned, "use", (f"{day}{hour}", meter, value, f"e{place}")))
    return sorted(told, key=lambda fact: fact[0])


def tell(story: Story, fact: Fact) -> None:
    _, kind, content = fact
    if kind == "use":
        day, meter, value, event = content
        where = {"site": "ab"[value % 2]} if meter == "lvl" else {}
        story.use("s-1", meter, value, on=day, event=event, **where)
        return
    day, change, value, dice = content
    if change == "withdraw":
        known = subscriptions.amendments_of_codes(["s-1"])["s-1"]
        gone = {one.value for one in known if one.change == "withdraw"}
        open_ = [n.number for n in known if n.change != "withdraw" and n.number not in gone]
        if not open_:
            return
        value = open_[int(dice * len(open_))]
    with suppress(AmendmentRefused):  # of an ended subscription; both companies refuse it alike
        story.change("s-1", change, value, since=day)


def bill_everything(story: Story) -> None:
    """Month after month; what was learned last is settled by the next run, and a month that was
    not served when it was billed has its own run again."""
    for month in (*MONTHS, "2027-02", *MONTHS, "2027-03"):
        story.run(month)
    story.bill("2027-04")


def charged() -> dict[tuple[str, str, datetime], int]:
    found: dict[tuple[str, str, datetime], int] = defaultdict(int)
    codes = {one.id: code for code, one in parties.customers_by_code(["alfa", "beta"]).items()}
    rows = Charge.objects.filter(starts_at__lt=datetime(2027, 1, 31, 21, tzinfo=UTC))
    for key, at, customer, minor in rows.values_list(
        "price_key", "starts_at", "customer_id", "amount_minor"
    ):
        found[key, codes[customer], at] += minor
    return {slot: minor for slot, minor in found.items() if minor}


@pytest.fixture
def company(db: None) -> Callable[..., Any]:
    @contextmanager
    def made(code: str, late_events: str) -> Iterator[Story]:
        now = datetime(2026, 9, 1, tzinfo=UTC)
        row = TenantRow(code, code, "RUB", "Europe/Moscow", late_events=late_events)
        tenant = create_tenant(row, actor="cli:test", now=now)
        with tenant_scope(tenant.id):
            story = sell(Story(late_events=late_events, code=code))
            yield story.at("2026-10-01").subscribe("s-1", "alfa", "pro", quantity=2)

    return made


@pytest.mark.once
@pytest.mark.parametrize(
    ("seed", "late_events"),
    [(1, "open_period"), (3, "correction"), (220, "open_period"), (223, "correction")],
)
def test_whenever_it_is_learned_it_costs_the_same(
    company: Callable[..., Any], seed: int, late_events: str
) -> None:
    told = facts(seed)
    with company("late", late_events) as story:
        for place, month in enumerate(MONTHS):
            story.run(month)
            for fact in told:
                if fact[0] == place:
                    tell(story, fact)
        bill_everything(story)
        late = charged()
    with company("early", late_events) as story:
        for fact in told:
            tell(story, fact)
        bill_everything(story)
        early = charged()
    assert late == early != {}
