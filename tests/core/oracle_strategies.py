"""Requests of the quote contract for Hypothesis: a price of each model and a quantity to match.

Quantities crowd around the price's own bounds, within one unit of their last digit: that is where
pricing goes wrong. Each strategy yields (price, quantity) as JSON documents, sound ones only.
"""

from datetime import date, datetime, timedelta, timezone
from fractions import Fraction

from hypothesis import strategies as st

from kvit.core.money import exact_text
from kvit.core.oracle.answers import Document

Request = tuple[Document, Document]
HOLIDAY = date(2026, 11, 4)  # a Wednesday


@st.composite
def decimals(draw: st.DrawFn, low: int = 0, high: int = 100_000, places: int = 3) -> str:
    """A decimal from low/10^k to high/10^k, k ≤ places; short and whole ones come first."""
    digits = draw(st.integers(0, places))
    return exact_text(Fraction(draw(st.integers(low, high)), 10**digits))


RATES = decimals(0, 2_000)
SIZES = decimals(1, 500, places=2)


@st.composite
def bounds(draw: st.DrawFn) -> list[str | None]:
    """Rising bounds of one to five tiers; the last is open."""
    grain = Fraction(1, 10 ** draw(st.integers(0, 2)))
    widths = draw(st.lists(st.integers(1, 60), max_size=4))
    sums = [sum(widths[: i + 1], 0) * grain for i in range(len(widths))]
    return [*(exact_text(bound) for bound in sums), None]


@st.composite
def near(draw: st.DrawFn, edges: list[str | None]) -> str:
    """A quantity at a bound, one unit of its last digit (or of a finer one) beside it, or any."""
    known = [Fraction(edge) for edge in edges if edge is not None]
    near_one: bool = bool(known) and draw(st.integers(0, 3)) > 0
    if near_one:
        grain = Fraction(1, 10 ** draw(st.integers(0, 4)))
        beside = draw(st.sampled_from(known)) + draw(st.integers(-1, 1)) * grain
        return exact_text(max(beside, Fraction(0)))
    if not draw(st.integers(0, 5)):
        return exact_text(Fraction(draw(st.integers(0, 10**15)), 10**6))
    return draw(decimals(0, 3_000))


@st.composite
def with_already(draw: st.DrawFn, price: Document, edges: list[str | None]) -> Request:
    quantity: Document = {"units": draw(near(edges))}
    if draw(st.booleans()):
        before: Document = {"units": draw(near(edges))}
        if draw(st.booleans()):
            before["amount"] = exact_text(Fraction(draw(st.integers(0, 10**6)), 100))
        quantity["already"] = before
    return price, quantity


@st.composite
def of_tiers(draw: st.DrawFn, model: str) -> Request:
    """graduated, volume, graduated_percentage."""
    tiers: list[Document] = []
    edges = draw(bounds())
    for edge in edges:
        tier: Document = {"up_to": edge}
        tier["rate" if model == "graduated_percentage" else "unit"] = draw(RATES)
        if draw(st.booleans()):
            tier["flat"] = draw(RATES)
        if model != "graduated_percentage" and not draw(st.integers(0, 2)):
            tier["cap"] = draw(RATES)
        tiers.append(tier)
    price: Document = {"model": model, "tiers": tiers}
    if draw(st.booleans()):
        price["flat_at_zero"] = draw(st.booleans())
    return draw(with_already(price, edges))


@st.composite
def stairstep(draw: st.DrawFn) -> Request:
    edges = draw(bounds())
    tiers = [{"up_to": edge, "amount": draw(RATES)} for edge in edges]
    return draw(with_already({"model": "stairstep", "tiers": tiers}, edges))


@st.composite
def per_unit(draw: st.DrawFn) -> Request:
    return draw(with_already({"model": "per_unit", "unit": draw(RATES)}, []))


@st.composite
def flat(draw: st.DrawFn) -> Request:
    return {"model": "flat", "amount": draw(RATES)}, {}


@st.composite
def package(draw: st.DrawFn) -> Request:
    size = draw(SIZES)
    price: Document = {"model": "package", "size": size, "amount": draw(RATES)}
    free = Fraction(0)
    if draw(st.booleans()):
        price["free_units"] = draw(decimals(0, 900, places=2))
        free = Fraction(price["free_units"])
    edges: list[str | None] = [exact_text(free + Fraction(size) * n) for n in range(4)]
    return draw(with_already(price, edges))


@st.composite
def blocks(draw: st.DrawFn) -> Request:
    count = draw(st.integers(1, 4))
    tiers: list[Document] = []
    edges: list[str | None] = []
    filled = Fraction(0)
    for i in range(count):
        size = draw(SIZES)
        limit: int | None = draw(st.integers(1, 12))
        if i == count - 1 and draw(st.booleans()):
            limit = None
        tiers.append({"size": size, "max_blocks": None if limit is None else str(limit)})
        tiers[-1]["unit"] = draw(RATES)
        edges.append(exact_text(filled + Fraction(size)))
        if limit is not None:
            filled += limit * Fraction(size)
            edges.append(exact_text(filled))
    price = {"model": "blocks", "mode": draw(st.sampled_from(["all", "top"])), "tiers": tiers}
    return draw(with_already(price, edges))


@st.composite
def capacity(draw: st.DrawFn) -> Request:
    meters = draw(st.sampled_from([["seats"], ["seats", "gib"], ["seats", "gib", "calls"]]))
    tops = {meter: Fraction(draw(st.integers(1, 50))) for meter in meters}
    amount = Fraction(draw(st.integers(0, 1000)), 100)
    tiers: list[Document] = []
    for _ in range(draw(st.integers(1, 4))):
        limits = {meter: exact_text(top) for meter, top in tops.items()}
        tiers.append({"amount": exact_text(amount), "limits": limits})
        tops = {meter: top + draw(st.integers(0, 50)) for meter, top in tops.items()}
        amount += Fraction(draw(st.integers(1, 1000)), 100)
    if draw(st.booleans()):
        tiers.append({"amount": exact_text(amount), "limits": None})
    peaks: Document = {}
    for meter in draw(st.sets(st.sampled_from(meters), min_size=1)):
        peaks[meter] = draw(near([tier["limits"][meter] for tier in tiers if tier["limits"]]))
    return {"model": "capacity", "tiers": tiers}, {"peaks": peaks}


@st.composite
def limits_of_events(draw: st.DrawFn) -> Document:
    limits: Document = {}
    if draw(st.booleans()):
        limits["event_min"] = draw(decimals(0, 500, places=2))
    if draw(st.booleans()):
        limits["event_max"] = draw(decimals(0, 900, places=2))
    if draw(st.booleans()):
        limits["free_events"] = str(draw(st.integers(0, 5)))
    if draw(st.booleans()):
        limits["free_amount"] = draw(decimals(0, 900, places=2))
    return limits


@st.composite
def percentage(draw: st.DrawFn) -> Request:
    price: Document = {"model": "percentage", "rate": draw(RATES)}
    if draw(st.booleans()):
        price["fixed"] = draw(decimals(0, 500, places=2))
    if draw(st.booleans()):  # else the bare price, of which only the sum and the count matter
        price |= draw(limits_of_events())
    amounts = st.just("0") if not draw(st.integers(0, 4)) else decimals(0, 900, places=2)
    events = draw(st.lists(amounts, max_size=8))
    if "free_amount" in price and events and draw(st.booleans()):
        # The first events use the free amount up exactly, or miss it by a hair.
        rest = Fraction(price["free_amount"]) - Fraction(events[0])
        hair = Fraction(draw(st.integers(-1, 1)), 100)
        events.insert(1, exact_text(max(rest + hair, Fraction(0))))
    return price, {"events": events}


@st.composite
def dynamic(draw: st.DrawFn) -> Request:
    pairs = draw(st.lists(st.tuples(decimals(), decimals()), max_size=6))
    events = [{"units": units, "amount": amount} for units, amount in pairs]
    return {"model": "dynamic"}, {"events": events}


@st.composite
def matrix(draw: st.DrawFn) -> Request:
    """Cells of one and of two dimensions; of those that overlap the first listed wins."""
    regions = ["eu", "us", "asia"][: draw(st.integers(1, 3))]
    prices: list[Document] = []
    for region in regions:
        inner = draw(st.one_of(per_unit(), of_tiers("graduated"), of_tiers("volume"), package()))
        prices.append({"match": {"region": region}, "price": draw(bounded(st.just(inner)))[0]})
        if draw(st.booleans()):
            finer = {"match": {"region": region, "kind": "a"}, "price": draw(per_unit())[0]}
            prices.insert(draw(st.integers(0, len(prices))), finer)
    price: Document = {"model": "matrix", "prices": prices}
    if draw(st.booleans()):
        price["default"] = draw(per_unit())[0]
    usage: list[Document] = []
    for region in draw(st.lists(st.sampled_from(["eu", "us", "asia", "moon"]), max_size=5)):
        dimensions = {"region": region}
        if draw(st.booleans()):
            dimensions["kind"] = draw(st.sampled_from(["a", "b"]))
        usage.append({"dimensions": dimensions, "units": draw(near(["10", "100"]))})
    return price, {"usage": usage}


@st.composite
def starts(draw: st.DrawFn, clocks: list[str]) -> str:
    """A moment of the week of the holiday, near a border of the bands, in some zone."""
    zone = timezone(timedelta(minutes=draw(st.sampled_from([0, 180, -300, 345]))))
    day = datetime(2026, 11, 2, tzinfo=zone) + timedelta(days=draw(st.integers(0, 7)))
    hours, minutes = draw(st.sampled_from(clocks)).split(":")
    shift = draw(st.sampled_from([0, -1, 1, -59, 60, -3600, 5000]) | st.integers(-9000, 9000))
    at = day + timedelta(hours=int(hours), minutes=int(minutes), seconds=shift)
    return at.isoformat()


@st.composite
def hours(draw: st.DrawFn) -> tuple[list[Document], list[str]]:
    """Bands without terms: the day cut at one to four clocks, perhaps other days apart."""
    cuts = sorted(draw(st.sets(st.sampled_from(["07:00", "09:30", "18:00", "23:59"]), max_size=3)))
    edges = ["00:00", *cuts, "24:00"]
    weekdays: list[object] = [1, 2, 3, 4, 5]
    groups: list[list[object]]
    groups = [[*weekdays, 6, 7]] if draw(st.booleans()) else [weekdays, [6, 7]]
    if draw(st.booleans()):
        if draw(st.booleans()):
            groups.append(["holiday"])
        else:
            groups[-1] = [*groups[-1], "holiday"]
    found: list[Document] = []
    for days in groups:
        own = edges if days is groups[0] or draw(st.booleans()) else ["00:00", "24:00"]
        found += [{"days": days, "from": own[i], "to": own[i + 1]} for i in range(len(own) - 1)]
    if len(found) > 1 and not draw(st.integers(0, 3)):
        found.pop(draw(st.integers(0, len(found) - 1)))  # a hole: no_band there
    return found, [*edges[:-1], "23:59"]


@st.composite
def steps_of(draw: st.DrawFn) -> list[Document]:
    steps: list[Document] = []
    after = Fraction(draw(st.sampled_from(["0", "0", "60", "10.5"])))
    for _ in range(draw(st.integers(1, 3))):
        size = draw(st.sampled_from(["1", "6", "30", "60", "0.1", "7.5"]))
        step: Document = {"after": exact_text(after), "step": size}
        if draw(st.booleans()):
            step["rate"] = draw(RATES)
            if draw(st.booleans()):
                step["per"] = draw(st.sampled_from(["1", "60", "7"]))
        steps.append(step)
        after += Fraction(size) * draw(st.integers(1, 40))
    return steps


@st.composite
def timed(draw: st.DrawFn) -> Request:
    bands, clocks = draw(hours())
    for band in bands:
        band |= {"rate": draw(RATES), "per": draw(st.sampled_from(["1", "60", "3600", "7"]))}
        if draw(st.booleans()):
            band["connect_fee"] = draw(RATES)
        if draw(st.booleans()):
            band["steps"] = draw(steps_of())
    price: Document = {"model": "timed", "bands": bands}
    if draw(st.booleans()):
        price["precision"] = draw(st.integers(0, 5))
    seconds = draw(
        st.sampled_from(["0", "1", "59", "60", "61", "0.1", "3600", "7200.5"])
        | decimals(0, 20_000, places=1)
    )
    return price, {"start": draw(starts(clocks)), "seconds": seconds}


@st.composite
def banded(draw: st.DrawFn) -> Request:
    bands, clocks = draw(hours())
    for band in bands:
        band["unit"] = draw(RATES)
    readings = [
        {"start": draw(starts(clocks)), "units": draw(decimals(0, 900))}
        for _ in range(draw(st.integers(0, 6)))
    ]
    return {"model": "banded", "bands": bands}, {"readings": readings}


@st.composite
def allowance(draw: st.DrawFn) -> Request:
    included = draw(decimals(0, 900))
    price = {"model": "allowance", "included": included}
    price["price"] = {"model": "per_unit", "unit": draw(RATES)}
    return draw(with_already(price, [included]))


EXPRESSIONS = (
    "base", "base * 1.2 - units / 3", "if(units > 100 and not region == 'north', base, fee + 1)",
    "round(base * 0.333, 2, 'up') + ceil(units) - floor(units / 7)", "max(base, fee, 10) + abs(-1)",
    "units * key(region, regions) + range(units, norms)", "-base + min(fee, counter('calls')) * 2",
    "if(counter(\"calls\") >= 3 or units == 0, if(level <= 2, fee, base), 1.005)",
)  # fmt: skip


@st.composite
def composed(draw: st.DrawFn) -> Request:
    bound = draw(SIZES)
    price: Document = {
        "model": "composed",
        "expression": draw(st.sampled_from(EXPRESSIONS)),
        "attributes": ["region", "level"],
        "parts": {
            "base": {"model": "graduated", "tiers": [{"up_to": bound, "unit": draw(RATES)},
                                                     {"unit": draw(RATES)}]},
            "fee": {"model": "flat", "amount": draw(RATES)},
        },
        "tables": {
            "regions": {"keys": {"north": draw(RATES)}, "default": "2"},
            "norms": {"ranges": [{"up_to": bound, "value": "1.5"}, {"value": "-2"}]},
        },
    }  # fmt: skip
    _, quantity = draw(with_already(price, [bound]))
    quantity["attributes"] = {
        "region": draw(st.sampled_from(["north", "south"])),
        "level": draw(st.sampled_from(["1", "2.0", "3"])),
    }
    quantity["counters"] = {"calls": draw(decimals(0, 900))}
    return price, quantity


@st.composite
def bounded(draw: st.DrawFn, requests: st.SearchStrategy[Request]) -> Request:
    """Any price, with a discount, a maximum and a minimum on some."""
    price, quantity = draw(requests)
    price = dict(price)
    if draw(st.booleans()):
        least = Fraction(draw(decimals(0, 50_000, places=2)))
        if draw(st.booleans()):
            price["minimum"] = exact_text(least)
        if draw(st.booleans()):
            price["maximum"] = exact_text(least + Fraction(draw(decimals(0, 50_000, places=2))))
        if draw(st.booleans()):
            price["discount_percent"] = draw(decimals(0, 1000, places=1).filter(_percent))
    return price, quantity


def _percent(text: str) -> bool:
    return Fraction(text) <= 100


MODELS: dict[str, st.SearchStrategy[Request]] = {
    "flat": flat(),
    "per_unit": per_unit(),
    "graduated": of_tiers("graduated"),
    "volume": of_tiers("volume"),
    "graduated_percentage": of_tiers("graduated_percentage"),
    "stairstep": stairstep(),
    "package": package(),
    "blocks": blocks(),
    "capacity": capacity(),
    "percentage": percentage(),
    "dynamic": dynamic(),
    "matrix": matrix(),
    "timed": timed(),
    "banded": banded(),
    "allowance": allowance(),
    "composed": composed(),
}
