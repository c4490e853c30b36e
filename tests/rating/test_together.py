"""Charging subscriptions together comes to what charging them one by one does: row for row."""

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from kvit.core.catalogue import Meter, PlanTerms
from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.ledger.models import Posting
from kvit.ledger.services import ensure_chart
from kvit.metering import services as metering
from kvit.metering.rows import EventIn
from kvit.parties import queries as parties
from kvit.parties.rows import SellerRow, Tenant
from kvit.parties.services import apply_sellers
from kvit.platform.models import EventLog
from kvit.rating import services as rating
from kvit.rating.models import Charge, RatedPeriod
from kvit.subscriptions import queries as subscriptions
from tests.scenarios.story import ACTOR, Story, moment, price

TIERS = [{"up_to": "100", "unit": "0.5"}, {"up_to": "1000", "unit": "0.333", "flat": "7"},
         {"unit": "0.1"}]  # fmt: skip
MATRIX = {
    "model": "matrix",
    "prices": [
        {"match": {"region": "eu"}, "price": {"model": "graduated", "tiers": TIERS}},
        {"match": {"region": "us"}, "price": {"model": "per_unit", "unit": "0.07"}},
    ],
    "default": {"model": "package", "size": "10", "amount": "3.10"},
}
PER_EVENT = {"model": "percentage", "rate": "1.3", "fixed": "2", "free_events": 2,
             "free_amount": "50", "event_max": "40"}  # fmt: skip
PERCENT = {"model": "percentage", "rate": "2.9", "fixed": "0.35", "minimum": "10"}
BOUNDED = {"model": "package", "size": "10", "amount": "3.10", "free_units": "5.5",
           "minimum": "4", "maximum": "300"}  # fmt: skip
ODD = {"model": "per_unit", "unit": "0.00001", "maximum": "1000", "discount_percent": "7.5"}
PEAK = [
    {"days": [1, 2, 3, 4, 5], "from": "08:00", "to": "20:00", "rate": "1.20", "per": "60",
     "connect_fee": "0.50", "steps": [{"after": "0", "step": "60"}, {"after": "60", "step": "1"}]},
    {"days": [1, 2, 3, 4, 5], "from": "20:00", "to": "24:00", "rate": "0.70", "per": "60"},
    {"days": [1, 2, 3, 4, 5], "from": "00:00", "to": "08:00", "rate": "0.70", "per": "60"},
    {"days": [6, 7, "holiday"], "from": "00:00", "to": "24:00", "rate": "0.40", "per": "60"},
]  # fmt: skip
DIALLED = {
    "model": "destination",
    "rates": [
        {"prefixes": ["7", "sip:"], "rate": "3.00", "increments": "60/60", "precision": "1"},
        {"prefixes": ["7495", "7499"], "bands": PEAK, "free_seconds": "5", "max_cost": "40"},
        {"prefixes": ["800"], "rate": "0"},
    ],
    "minimum": "2.50",
}


@pytest.fixture
def story(tenant: Tenant) -> Story:
    made = Story().sell(
        Meter("calls", "Вызовы", "вызов", "sum"),
        Meter("storage", "Хранение", "ГБ", "max"),
        Meter("logins", "Входы", "вход", "count"),
        Meter("users", "Люди", "чел.", "unique"),
        Meter("traffic", "Трафик", "ГБ", "sum", dimensions=("region",)),
        Meter("sales", "Продажи", "₽", "sum"),
        Meter("spare", "Ничей", "шт.", "sum"),
        Meter("level", "Уровень", "шт.", "latest"),
        PlanTerms("pro", "Профи"),
        price("pro", "fee", {"model": "flat", "amount": "990.00"}),
        price("pro", "seats", {"model": "per_unit", "unit": "3.33"}),
        price("pro", "once", {"model": "flat", "amount": "50.00"}, when="once"),
        price("pro", "calls", {"model": "graduated", "tiers": TIERS}, meter="calls"),
        price("pro", "storage", {"model": "volume", "tiers": TIERS}, meter="storage"),
        price("pro", "logins", {"model": "package", "size": "7", "amount": "1.05"}, meter="logins"),
        price("pro", "users", {"model": "per_unit", "unit": "0.015"}, meter="users"),
        price("pro", "traffic", MATRIX, meter="traffic", prorate="none"),
        price("pro", "sales", PERCENT, meter="sales"),
        price("pro", "fees", PER_EVENT, meter="sales"),
        price("pro", "odd", ODD, meter="calls"),
        PlanTerms("ahead", "Вперёд", scheme="prepaid"),
        price("ahead", "fee", {"model": "flat", "amount": "100.01"}),
        Meter("held", "Хранилось", "ГБ", "time_weighted"),
        Meter("kwh", "Энергия", "кВт·ч", "difference", dimensions=("serial",)),
        PlanTerms("level", "Уровень"),
        price("level", "level", {"model": "per_unit", "unit": "1.7"}, meter="level"),
        price("level", "held", {"model": "graduated", "tiers": TIERS}, meter="held"),
        price("level", "blocks", BOUNDED, meter="held"),
        price("level", "kwh", {"model": "volume", "tiers": TIERS}, meter="kwh"),
        Meter("dials", "Звонки", "с", "sum", dimensions=("destination",)),
        PlanTerms("phone", "Связь"),
        price("phone", "dials", DIALLED, meter="dials"),
        price("phone", "held", {"model": "per_unit", "unit": "0.01"}, meter="dials"),
    )
    return made.at("2026-08-15")


def open_many(story: Story, count: int, plan: str = "pro", **said: Any) -> list[str]:
    codes = [f"{plan}-{said.get('start', 'old')}-{n}" for n in range(count)]
    story.customers(*(f"c-{code}" for code in codes))
    for code in codes:
        story.subscribe(code, f"c-{code}", plan, **said)
    return codes


def used(codes: list[str], *, seed: int, number: int = 2_000) -> Iterator[EventIn]:
    """Random usage, most of it ordinary."""
    dice = random.Random(seed)
    begin = moment("2026-10-01")
    for n in range(number):
        meter = dice.choice(["calls", "storage", "logins", "users", "traffic", "sales"])
        digits = dice.choice([0, 1, 3, 6])
        value: Decimal | None = Decimal(dice.randrange(0, 90_000)).scaleb(-digits)
        text = None
        if meter == "users":
            value, text = None, f"user-{dice.randrange(5)}"
        dimensions = {"region": dice.choice(["eu", "us", "moon"])} if meter == "traffic" else {}
        at = begin + timedelta(seconds=dice.randrange(31 * 24 * 3600))
        yield EventIn(f"u{n}", "subscription", dice.choice(codes), meter, at, value, text,
                      dimensions)  # fmt: skip


def take(story: Story, *events: EventIn) -> None:
    metering.ingest(events, source="usage", actor=ACTOR, now=story.now)


def everything() -> dict[str, list[Any]]:
    """What a run wrote, without the ids that differ from run to run."""
    charges = {one.pk: one for one in Charge.objects.all()}
    names = [f.attname for f in Charge._meta.concrete_fields if f.attname not in ("id", "rated_at")]
    periods = [f.attname for f in RatedPeriod._meta.concrete_fields if f.attname != "id"]
    lines = [
        f.attname
        for f in InvoiceLine._meta.concrete_fields
        if f.attname not in ("id", "invoice_id", "charge_id")
    ]
    invoices = {one.pk: one for one in Invoice.objects.all()}
    kept = [
        f.attname
        for f in Invoice._meta.concrete_fields
        if f.attname not in ("id", "number", "number_text", "created_at", "issued_at")
    ]
    return {
        "charges": sorted(repr([getattr(one, n) for n in names]) for one in charges.values()),
        "periods": sorted(
            repr([getattr(one, n) for n in periods]) for one in RatedPeriod.objects.all()
        ),
        "invoices": sorted(repr([getattr(one, n) for n in kept]) for one in invoices.values()),
        "lines": sorted(
            repr([invoices[one.invoice_id].customer_id, charges[one.charge_id].price_key,
                  *(getattr(one, n) for n in lines)])
            for one in InvoiceLine.objects.all()
        ),
        "numbers": sorted(one.number for one in invoices.values() if one.number),
        "postings": sorted(
            repr([invoices_of(one.source, invoices), one.seller_id, one.debit, one.credit,
                  one.customer_id, one.amount_minor, one.currency, one.line, one.effective_on])
            for one in Posting.objects.all()
        ),
        "facts": sorted(
            repr((topic, sorted(_told(payload).items()) if "invoice_id" in payload else ""))
            for topic, payload in EventLog.objects.values_list("topic", "payload")
        ),
    }  # fmt: skip


def _told(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in payload.items() if name not in ("invoice_id", "number")}


def invoices_of(source: str, invoices: dict[Any, Invoice]) -> Any:
    [one] = [invoices[key] for key in invoices if str(key) in source]
    return one.customer_id


class _Undone(Exception):
    pass


def both_ways(story: Story, month: str, **said: Any) -> list[Any]:
    """Bill twice, each time from the same state; the second way's state stays."""
    found: list[Any] = []
    try:
        with transaction.atomic():
            report = story.run(month, columnar=False, **said)
            found.append((everything(), report.rated.charges, report.problems))
            raise _Undone
    except _Undone:
        pass
    report = story.run(month, **said)
    found.append((everything(), report.rated.charges, report.problems))
    return found


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the subscriptions that were charged together."""
    real, counts = rating.charge_together, [0]

    def counted(*args: Any) -> Any:
        result, done = real(*args)
        counts[0] += len(done)
        return result, done

    monkeypatch.setattr(rating, "charge_together", counted)
    monkeypatch.setattr(rating, "FEW", 0)  # a set of any size, whoever is beside it
    return lambda: counts[0]


def test_ordinary_usage_of_every_model(story: Story, together: Callable[[], int]) -> None:
    codes = open_many(story, 20) + open_many(story, 6, start="2026-10-01")
    codes += open_many(story, 6, start="2026-10-12")
    take(story, *used(codes, seed=1))
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 32
    assert columns[1] == 32 * 10 + 12  # with what is charged once to the twelve that began
    assert story.bill("2026-10") == []


@pytest.mark.parametrize("is_sealed", [False, True])
def test_prices_of_a_part_of_a_meter_by_its_dimensions(
    story: Story, together: Callable[[], int], file_store: Path, is_sealed: bool
) -> None:
    home, away = (("region", ("eu", "us")),), (("region", ("moon",)), ("tariff", ("day", "night")))
    story.sell(
        PlanTerms("parts", "Части"),
        price("parts", "home", {"model": "volume", "tiers": TIERS}, meter="traffic", filters=home),
        price("parts", "home-too", MATRIX, meter="traffic", filters=home),
        price("parts", "away", MATRIX, meter="traffic", filters=away),
        price("parts", "logins", BOUNDED, meter="logins", filters=home),
        price("parts", "all-logins", {"model": "per_unit", "unit": "0.7"}, meter="logins"),
        price("parts", "level", {"model": "per_unit", "unit": "1.7"}, meter="level", filters=home),
        price("parts", "held", PERCENT, meter="held", filters=home),
        price("parts", "fees", PER_EVENT, meter="sales", filters=home),
        price("parts", "users", {"model": "per_unit", "unit": "0.015"}, meter="users",
              filters=(("region", ("eu",)),)),
    )  # fmt: skip
    codes = open_many(story, 24, "parts")
    take(story, *parted(codes[2:], seed=3))
    take(story, EventIn("before", "subscription", codes[5], "level", moment("2026-09-30T23:59"),
                        Decimal(10_000), None, {"region": "moon"}))  # fmt: skip
    # Whose event no price takes is charged by itself, and it waits.
    take(story, EventIn("x", "subscription", codes[0], "traffic", moment("2026-10-05"), Decimal(1),
                        None, {"region": "moon", "tariff": "dusk"}),
         EventIn("y", "subscription", codes[1], "users", moment("2026-10-05"), None, "u",
                 {"region": "us"}),
         EventIn("z", "subscription", codes[1], "logins", moment("2026-10-05"), Decimal(1), None,
                 {}))  # fmt: skip
    if is_sealed:
        assert metering.seal(now=story.now) == 1_504
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 22
    for key in ("home", "home-too", "away", "logins", "level", "held", "fees", "users"):
        assert Charge.objects.filter(price_key=key, events__gt=0).count() > 10, key


def parted(codes: list[str], *, seed: int) -> Iterator[EventIn]:
    """Random usage, each event of which some price of parts takes."""
    dice = random.Random(seed)
    begin = moment("2026-09-20")
    for n in range(1_500):
        meter = dice.choice(["traffic", "logins", "level", "held", "sales", "users"])
        region = "eu" if meter == "users" else dice.choice(["eu", "us"])
        dimensions = {"region": region, "tariff": dice.choice(["day", "night"])}
        if meter in ("traffic", "logins") and dice.random() < 0.4:
            dimensions["region"] = "moon"
        value, text = Decimal(dice.randrange(0, 9_000)).scaleb(-dice.choice([0, 2])), None
        if meter == "users":
            value, text = None, f"user-{dice.randrange(5)}"
        at = begin + timedelta(seconds=dice.randrange(42 * 24 * 3600))
        yield EventIn(f"p{n}", "subscription", dice.choice(codes), meter, at, value, text,
                      dimensions)  # fmt: skip


NUMBERS = ["74951234567", "79161234567", "74995554433", "8001", "sip:7495", "7",
           "749512345678901234567"]  # fmt: skip


def dialled(codes: list[str], numbers: list[str], *, count: int, mark: str) -> Iterator[EventIn]:
    """Random calls around midnight and around the edges of a minute."""
    dice = random.Random(mark)
    for n in range(count):
        at = moment("2026-10-02") + timedelta(
            days=dice.randrange(29), seconds=dice.choice([-30, 0, 28_790, 72_000, 86_399])
        )
        lasts = dice.choice([Decimal(0), Decimal(5), Decimal(60), Decimal("61.000001"),
                             Decimal(dice.randrange(9_000))])  # fmt: skip
        dimensions = {"destination": dice.choice(numbers)}
        if not n % 9:
            dimensions["trunk"] = 'a"destination": "1'
        yield EventIn(f"{mark}{n}", "subscription", dice.choice(codes), "dials", at, lasts, None,
                      dimensions)  # fmt: skip


def test_calls_by_destination_and_hour(story: Story, together: Callable[[], int]) -> None:
    odd, lost, *codes = open_many(story, 12, "phone")
    its_own = {"dials": {**DIALLED, "minimum": "0", "maximum": "99"}}
    story.customers("c-own").subscribe("own", "c-own", "phone", terms=its_own)
    take(
        story,
        *dialled([*codes, "own"], NUMBERS, count=400, mark="a"),
        *dialled([lost], ["499"], count=2, mark="b"),  # no prefix takes it
        EventIn("text", "subscription", odd, "dials", moment("2026-10-03"), None, "long", {}),
    )
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 11  # the odd and the lost by themselves


def test_odd_members_are_charged_by_themselves(story: Story, together: Callable[[], int]) -> None:
    codes = open_many(story, 20)
    take(
        story,
        *used(codes, seed=2, number=600),
        EventIn("o1", "subscription", codes[0], "calls", moment("2026-10-03"), Decimal("-5000000")),
        EventIn("o2", "subscription", codes[1], "sales", moment("2026-10-03"), Decimal("-1")),
        EventIn("o3", "subscription", codes[2], "storage", moment("2026-10-03"), None, "много"),
        EventIn("o4", "subscription", codes[3], "spare", moment("2026-10-03"), Decimal(1)),
        EventIn("o5", "customer", f"c-{codes[4]}", "calls", moment("2026-10-03"), Decimal(77)),
        EventIn("o6", "subscription", codes[5], "calls", moment("2026-10-03"), Decimal(10**17)),
    )
    story.at("2026-10-20").change(codes[7], "quantity", "3")
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 20 - 7
    assert len(columns[2]) >= 3  # the negative ones and the text, told by name


@pytest.mark.parametrize(("few", "charged"), [(6, 0), (5, 5)])
def test_few_are_charged_one_by_one_where_others_are(
    story: Story,
    together: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    charged: int,
) -> None:
    monkeypatch.setattr(rating, "FEW", few)
    codes = open_many(story, 6)
    story.at("2026-10-20").change(codes[0], "quantity", "3")
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == charged


def test_a_value_too_long_for_64_bits_leaves_its_subscription(
    story: Story, together: Callable[[], int]
) -> None:
    codes = open_many(story, 5)
    exact = Decimal("12345678901234.123456789012")
    take(story, EventIn("o1", "subscription", codes[0], "calls", moment("2026-10-03"), exact),
         *used(codes, seed=3, number=50))  # fmt: skip
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 4


def test_fees_in_advance(story: Story, together: Callable[[], int]) -> None:
    open_many(story, 6, "ahead")
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 6


def levels(codes: list[str], *, seed: int) -> Iterator[EventIn]:
    """What stores hold and meters show, from before the month on; a few meters are replaced."""
    dice = random.Random(seed)
    begin = moment("2026-09-10")
    for n, code in enumerate(codes):
        if n % 5 == 4:
            continue  # never used
        shown = dice.randrange(1000)
        for step in range(dice.randrange(1, 9)):
            at = begin + timedelta(microseconds=dice.randrange(52 * 24 * 3600 * 10**6))
            meter = dice.choice(["level", "held", "kwh"])
            value = Decimal(dice.randrange(10**6)).scaleb(-dice.choice([0, 3]))
            serial = {}
            if meter == "kwh":
                at = begin + timedelta(days=6 * step, microseconds=dice.randrange(10**9))
                shown += dice.randrange(100)
                value, serial = Decimal(shown), {"serial": dice.choice(["a", "a", "b"])}
            yield EventIn(f"l{seed}-{n}-{step}", "subscription", code, meter, at, value, None,
                          serial)  # fmt: skip


def test_levels_go_on_from_before_the_period(story: Story, together: Callable[[], int]) -> None:
    codes = open_many(story, 30, "level") + open_many(story, 5, "level", start="2026-10-12")
    # A level in bytes: its average has a numerator of a hundred bits.
    large = EventIn(
        "w", "subscription", codes[3], "held", moment("2026-10-03"), Decimal(10**12 + 1)
    )
    take(story, large, *levels(codes, seed=1))
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 35
    metering.seal(now=story.now)
    one_by_one, columns = both_ways(story.at("2026-12-01"), "2026-11")
    assert columns == one_by_one
    assert together() == 35 + 35


def test_a_meter_that_nobody_has_read_before_begins_with_its_first_reading(
    story: Story, together: Callable[[], int]
) -> None:
    """In a company's first month there is nothing before the period, of nobody."""
    codes = open_many(story, 8, "level")
    take(
        story,
        *(
            EventIn(f"k{n}-{day}", "subscription", code, "kwh", moment(f"2026-10-0{day}"),
                    Decimal(100 + 10 * day * n), None, {"serial": serial})
            for n, code in enumerate(codes[:2], 1)
            for day, serial in ((1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "b"))
        ),
    )  # fmt: skip
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    found = Charge.objects.filter(price_key__contains="kwh")
    kwh = dict(found.values_list("subscription_code", "units"))
    assert kwh == {codes[0]: 30, codes[1]: 60, **dict.fromkeys(codes[2:], 0)}
    assert together() == 8


def test_odd_levels_are_charged_by_themselves(story: Story, together: Callable[[], int]) -> None:
    codes = open_many(story, 8, "level")
    take(
        story,
        *levels(codes, seed=2),
        EventIn("t", "subscription", codes[0], "held", moment("2026-09-03"), None, "много"),
        EventIn("c", "customer", f"c-{codes[1]}", "level", moment("2026-09-03"), Decimal(4)),
        EventIn("n", "subscription", codes[2], "level", moment("2026-10-30"), Decimal(-4)),
    )
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 8 - 3


def test_a_price_of_a_part_of_the_period_counts_its_own_usage(
    story: Story, together: Callable[[], int]
) -> None:
    story.sell(
        PlanTerms("late", "Поздний"),
        price("late", "calls", {"model": "per_unit", "unit": "1"}, meter="calls",
              effective_from=date(2026, 10, 11)),
    )  # fmt: skip
    codes = open_many(story, 6, "late")
    take(story, *used(codes, seed=9, number=200))
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 0


def test_the_next_period_and_what_comes_late(story: Story, together: Callable[[], int]) -> None:
    codes = open_many(story, 12)
    take(story, *used(codes, seed=4))
    story.at("2026-11-01").run("2026-10")
    assert together() == 12
    late = EventIn("late", "subscription", codes[0], "calls", moment("2026-10-30"), Decimal(1000))
    new = EventIn("new", "subscription", codes[1], "calls", moment("2026-11-30"), Decimal(1000))
    take(story, late, new)
    one_by_one, columns = both_ways(story.at("2026-12-01"), "2026-11")
    assert columns == one_by_one
    assert together() == 12 + 11  # whose October changed is looked at by itself


def test_a_run_that_is_repeated_looks_at_what_is_new_alone(
    story: Story, together: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, alone = rating._rate_each, list[Any]()
    monkeypatch.setattr(rating, "_rate_each", lambda ids, run: alone.extend(ids) or real(ids, run))
    codes = open_many(story, 12)
    take(story, *used(codes, seed=8))
    story.at("2026-11-01").run("2026-10")
    assert (together(), alone) == (12, [])
    again = story.run("2026-10")  # as after a kill: everybody is there, and nothing to be charged
    assert (together(), alone) == (12, [])
    assert (again.rated.subscriptions, again.rated.charges, again.issued) == (12, 0, [])
    more = open_many(story, 6, start="2026-10-12")
    late = EventIn("late", "subscription", codes[0], "calls", moment("2026-10-30"), Decimal(1000))
    take(story, late, *usage_of(more))
    one_by_one, columns = both_ways(story, "2026-10")
    assert (columns[0]["charges"], columns[0]["lines"]) == (
        one_by_one[0]["charges"], one_by_one[0]["lines"],
    )  # fmt: skip
    assert together() == 12 + 6
    looked_at = subscriptions.by_ids(alone[-1:])
    assert [one.code for one in looked_at.values()] == codes[:1]
    assert len(alone) == 18 + 1  # all of them the other way, and here whose usage came late
    story.at("2026-12-01").run("2026-11")
    assert story.charged(codes[0]) > 0


def test_prices_of_their_own(story: Story, together: Callable[[], int]) -> None:
    codes = open_many(story, 8)
    flat = {"model": "flat", "amount": "77.70"}
    graduated = {"model": "graduated", "tiers": [{"up_to": "7", "unit": "1"}, {"unit": "0.01"}]}
    owns: list[dict[str, Any]] = [
        {"calls": flat}, {"calls": graduated}, {"calls": graduated, "storage": flat},
        {"traffic": {"model": "per_unit", "unit": "2"}}, {"sales": {**PER_EVENT, "rate": "3"}},
        {"fee": {"model": "flat", "amount": "1"}}, {"calls": None},
        {"logins": {"model": "percentage", "rate": "10", "fixed": "1"}},
        {"traffic": MATRIX},
    ]  # fmt: skip
    for place, own in enumerate(owns):
        code = f"own-{place}"
        story.customers(f"c-{code}").subscribe(code, f"c-{code}", "pro", terms=own)
        codes.append(code)
    take(story, *used(codes, seed=6))
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    # A fee of one's own is a shape of one; cells of another matrix are read one by one.
    assert together() == len(codes) - 2


@pytest.mark.once
@pytest.mark.parametrize("rounding", ["document", "line"])
@pytest.mark.parametrize("basis", ["net", "gross"])
def test_documents_with_vat_by_service_and_seller(
    story: Story, together: Callable[[], int], rounding: str, basis: str
) -> None:
    sellers = [
        SellerRow("main", "ООО «Акме»", split="service", vat_rounding=rounding, price_basis=basis),
        SellerRow("other", "ООО «Другая»", vat="10", vat_rounding=rounding),
    ]
    apply_sellers(sellers, actor=ACTOR, now=story.now, reason="story")
    ensure_chart(parties.sellers()["other"].id, actor=ACTOR, now=story.now)
    story.sell(
        PlanTerms("net", "Сеть", service="net"),
        price("net", "fee", {"model": "flat", "amount": "333.33"}),
        price("net", "gb", {"model": "per_unit", "unit": "0.01"}, meter="calls"),
        PlanTerms("tv", "ТВ", service="tv", seller="other"),
        price("tv", "fee", {"model": "flat", "amount": "0.05"}),
        price("tv", "more", {"model": "flat", "amount": "0.05"}),
        PlanTerms("free", "Даром"),
        price("free", "fee", {"model": "flat", "amount": "0"}),
    )
    codes = open_many(story, 20)
    for place, code in enumerate(codes):
        for plan in ("net", "tv", "free"):
            story.subscribe(f"{plan}-{place}", f"c-{code}", plan)
    net = [f"net-{place}" for place in range(10)]
    take(story, *used(codes, seed=7), *(one for one in usage_of(net)))
    one_by_one, columns = both_ways(story, "2026-10")
    assert columns == one_by_one
    assert together() == 80
    assert len(columns[0]["invoices"]) == 60  # of each payer: two services of one seller, one other


def usage_of(codes: list[str]) -> Iterator[EventIn]:
    for n, code in enumerate(codes):
        yield EventIn(f"n{n}", "subscription", code, "calls", moment("2026-10-03"), Decimal(n * 7))


def test_held_prices_and_subscriptions(story: Story, together: Callable[[], int]) -> None:
    codes = open_many(story, 8)
    take(story, *used(codes, seed=5, number=100))
    one_by_one, columns = both_ways(
        story,
        "2026-10",
        held_subscriptions=frozenset({codes[0]}),
        held_prices=frozenset({("pro", "calls")}),
    )
    assert columns == one_by_one
    assert together() == 0
