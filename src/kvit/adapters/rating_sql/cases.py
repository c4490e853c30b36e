"""Cases on which engines differ, each worked by hand: what a line must cost, by both roundings.

Values of events are thousandths. The period is October 2026 in Moscow, whose first microsecond is
30 September, 21:00 UTC; a number in place of a time counts seconds from there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kvit.adapters.rating_sql.tables import Units

SCALE: Final = 1000
BEGIN: Final = datetime(2026, 9, 30, 21, tzinfo=UTC)
END: Final = datetime(2026, 10, 31, 21, tzinfo=UTC)
TICK: Final = timedelta(microseconds=1)
TEN: Final = BEGIN + timedelta(seconds=10)
HUGE: Final = 9 * 10**18  # near the end of 64 bits
Price = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """An event. `value` in thousandths, or None where it says a text."""

    at: datetime
    value: int | None
    said: str = ""
    id: str = ""
    dims: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A line: what it must cost half-up and half-even in minor units, or why it is left."""

    name: str
    price: Price
    events: tuple[Told, ...]
    minor: int | str
    even: int | None = None  # where it differs
    kind: Units = "sum"
    carried: int = 0
    end: datetime = END
    currency: str = "RUB"

    def expected(self, rounding: str) -> int | str:
        return self.even if rounding == "half-even" and self.even is not None else self.minor


def told(*values: int | str, dims: dict[str, str] | None = None) -> tuple[Told, ...]:
    """Events a second apart: whole numbers are thousandths, texts are texts."""
    named = tuple(sorted((dims or {}).items()))
    found = []
    for place, one in enumerate(values):
        value, said = (None, one) if isinstance(one, str) else (one, "")
        found.append(Told(BEGIN + timedelta(seconds=place), value, said, str(place), named))
    return tuple(found)


def at(*places: tuple[datetime, int]) -> tuple[Told, ...]:
    return tuple(Told(moment, value, "", str(n)) for n, (moment, value) in enumerate(places))


def unit(price: str, **more: Any) -> Price:
    return {"model": "per_unit", "unit": price, **more}


TIERS: Final = [{"up_to": "100", "unit": "2"}, {"up_to": "1000", "unit": "1.5"}, {"unit": "0.125"}]
GRADUATED: Final = {"model": "graduated", "tiers": TIERS}
VOLUME: Final = {"model": "volume", "tiers": TIERS}
PACKAGE: Final = {"model": "package", "size": "1000", "amount": "3.10"}
CARD: Final = {"model": "percentage", "rate": "2.9", "fixed": "0.30"}
MATRIX: Final = {
    "model": "matrix",
    "prices": [
        {"match": {"region": "eu"}, "price": GRADUATED},
        {"match": {"region": "O'Hare \\ é"}, "price": unit("0.50")},
    ],
}
OPEN_MATRIX: Final = {**MATRIX, "default": unit("0.07"), "minimum": "1.00"}

CASES: Final = (
    # Moments: a fraction of a second decides the period, the order and the weight.
    Case("the first and the last microsecond are within the period", unit("1"),
         at((BEGIN - TICK, 1), (BEGIN, 1), (END - TICK, 1), (END, 1)), 200, kind="count"),
    Case("a second is not rounded up into the next period", unit("1"),
         at((END - timedelta(milliseconds=1), 1)), 100, kind="count"),
    Case("a level is weighted by microseconds", unit("10000000"),
         at((BEGIN + TICK, 1000)), 999999900, kind="time_weighted", end=TEN),
    Case("half a second is half a second", unit("1"),
         at((BEGIN + timedelta(milliseconds=9500), 1000)), 5, kind="time_weighted", end=TEN),
    Case("the later of two in one second is the latest", unit("1"),
         at((BEGIN + 1_000_002 * TICK, 7000), (BEGIN + 1_000_001 * TICK, 9000)), 700,
         kind="latest"),
    Case("of one moment the identifier decides, by its bytes", unit("1"),
         (Told(BEGIN, 1000, "", "a"), Told(BEGIN, 2000, "", "B"), Told(BEGIN, 3000, "", "é")),
         300, kind="latest"),
    Case("capitals come before small letters", unit("1"),
         (Told(BEGIN, 1000, "", "a"), Told(BEGIN, 2000, "", "B")), 100, kind="latest"),
    # Ties and what is near them.
    Case("0.5 of a kopeck", unit("0.005"), told(1000), 1, 0),
    Case("1.5 kopecks", unit("0.015"), told(1000), 2),
    Case("2.5 kopecks", unit("0.025"), told(1000), 3, 2),
    Case("a tie of many events", unit("0.001"), told(*[1000] * 125), 13, 12),
    Case("just below a tie, beyond a float", unit("0.004999999999999999999"), told(1000), 0),
    Case("just above a tie, beyond a float", unit("0.005000000000000000001"), told(1000), 1),
    Case("a tie by thirds is none", {"model": "package", "size": "3", "amount": "0.01"},
         told(1500), 1),
    Case("a tie of an average", unit("0.01"), at((BEGIN + timedelta(seconds=5), 1000)), 1, 0,
         kind="time_weighted", end=TEN),
    Case("a tie by a discount", unit("0.02", discount_percent="75"), told(1000), 1, 0),
    # Beyond 64 bits, and beyond 128.
    Case("a sum beyond 64 bits", unit("0.0000000001"), told(*[HUGE] * 5), 450000000),
    Case("a sum that returns into 64 bits", unit("1"), told(HUGE, HUGE, -HUGE, 1000 - HUGE), 100),
    Case("a weight beyond 64 bits", unit("0.000001"), at((BEGIN, 10**12)), 100000,
         kind="time_weighted"),
    Case("a weight that no decimal of Spark holds", unit("0.000001"), at((BEGIN, HUGE)),
         "too_large", kind="time_weighted"),
    Case("a product without room in 128 bits", unit("0.333333333333333333333333333333333"),
         told(10**13), "too_large"),
    Case("an amount that is no money", unit("1"), told(*[HUGE] * 5), "too_large"),
    # Nothing and zero.
    Case("no events", GRADUATED, (), 0),
    Case("no events, a minimum", unit("1", minimum="50.00"), (), 5000),
    Case("an event of nothing", GRADUATED, told(0), 0),
    Case("no level", unit("1"), (), 0, kind="time_weighted"),
    Case("no events, a level carried in", unit("1"), (), 700, kind="latest", carried=7000),
    Case("a level carried in weighs until the first event", unit("1"),
         at((BEGIN + timedelta(seconds=4), 0)), 280, kind="time_weighted", carried=7000, end=TEN),
    Case("a level carried in, all the period", unit("1"), (), 700, kind="time_weighted",
         carried=7000),
    Case("no events of a matrix", MATRIX, (), 0),
    Case("no events of a matrix, a minimum", OPEN_MATRIX, (), 100),
    Case("zero units of a flat price", {"model": "flat", "amount": "99.90"}, (), 9990,
         kind="count"),
    Case("a free package", {**PACKAGE, "free_units": "100"}, told(100_000), 0),
    # Below zero.
    Case("a correction within the period", unit("1"), told(5000, -2000), 300),
    Case("units below zero", unit("1"), told(2000, -5000), "negative"),
    Case("a maximum below zero", unit("1"), told(-2000, -5000), "negative", kind="max"),
    Case("a payment below zero", CARD, told(100_000, -1), "negative"),
    Case("a cell with a correction", MATRIX, told(5000, -1, dims={"region": "eu"}), "negative"),
    Case("a count of corrections", unit("1"), told(-1, -2), 200, kind="count"),
    # Prices.
    Case("graduated at the edge", GRADUATED, told(100_000), 20000),
    Case("graduated above the edge", GRADUATED, told(100_001), 20000),
    Case("graduated to the open tier", GRADUATED, told(1000_000, 4000), 155050),
    Case("volume at the edge", VOLUME, told(100_000), 20000),
    Case("volume above the edge", VOLUME, told(100_001), 15000),
    Case("a package begun", PACKAGE, told(1000_001), 620),
    Case("a package full", PACKAGE, told(1000_000), 310),
    Case("packages after free units", {**PACKAGE, "free_units": "100"}, told(1100_001), 620),
    Case("a card's share and fee", CARD, told(100_000, 50_000, 0), 525, 525),
    Case("a share with its minimum", {**CARD, "minimum": "5.00"}, told(100_000), 500),
    Case("a share with its maximum", {**CARD, "maximum": "3.00"}, told(100_000), 300),
    Case("a discount before the minimum", unit("1", discount_percent="15", minimum="9.00"),
         told(10_000), 900),
    Case("a discount before the maximum", unit("1", discount_percent="15", maximum="8.00"),
         told(10_000), 800),
    Case("a matrix by its key", MATRIX,
         told(101_000, dims={"region": "eu"}) + told(1000, dims={"region": "O'Hare \\ é"}), 20200),
    Case("a matrix with a default", OPEN_MATRIX,
         told(2000, dims={"region": "eu"}) + told(100_000, dims={"region": "us"}), 1100),
    Case("a matrix without the key", MATRIX, told(1000, dims={"region": "us"}), "no_price"),
    Case("a matrix that counts", OPEN_MATRIX, told(-5, 7, dims={"region": "eu"}), 400,
         kind="count"),
    # What is counted.
    Case("a number and a text that looks the same are two", unit("1"),
         (Told(BEGIN, 5), Told(BEGIN, None, "5"), Told(BEGIN, None, "5"), Told(BEGIN, 5)),
         200, kind="unique"),
    Case("capitals and blanks make other texts", unit("1"), told("a", "A", "a ", ""), 400,
         kind="unique"),
    Case("a text is no number", unit("1"), told(1000, "many"), "not_a_number"),
    Case("a text may be counted", unit("1"), told(1000, "many"), 200, kind="count"),
    Case("the highest", unit("1"), told(-1000, 3000, 2000), 300, kind="max"),
    # Currencies without and with a third digit.
    Case("yen", unit("0.5"), told(1000), 1, 0, currency="JPY"),
    Case("dinar", unit("0.0005"), told(1000), 1, 0, currency="KWD"),
)  # fmt: skip
TIES: Final = tuple(
    (sign * (2 * half + 1) * scale + near, 2 * scale)
    for half in (0, 1, 2, 3, 10**15)
    for scale in (1, 7, 10**9, 10**19)
    for near in (-1, 0, 1)
    for sign in (1, -1)
)
"""Numerators and denominators of halves, and of their neighbours a denominator away."""
