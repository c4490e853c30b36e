"""Cases that one line of the quote contract says in full."""

from typing import Any

from kvit.core.quote import answer
from kvit.core.vendor_policies import VendorPolicy, as_vendor
from tests.core.golden.register import Figures, register

Request = dict[str, Any]


def tiers(text: str) -> list[dict[str, str | None]]:
    """Read "5:0+100 10:0+50 *:5": a bound (* is open), a price of a unit, a flat fee."""
    rows: list[dict[str, str | None]] = []
    for part in text.split():
        bound, _, price = part.partition(":")
        unit, _, flat = price.partition("+")
        rows.append({"up_to": None if bound == "*" else bound, "unit": unit, "flat": flat or "0"})
    return rows


def rates(text: str) -> list[dict[str, str | None]]:
    return [
        {"up_to": row["up_to"], "rate": row["unit"], "flat": row["flat"]} for row in tiers(text)
    ]


def quoted(
    id: str,
    preset: str,
    shows: str,
    request: Request,
    expected: Figures,
    *,
    answers: str = "exact",
    note: str = "",
) -> None:
    """Register a request whose answer's field `answers` is the one expected figure."""
    (name,) = expected

    def compute(policy: VendorPolicy) -> Figures:
        document = {"currency": "USD", "rounding": policy.rounding, **request}
        if "price" in document:
            document["price"] = as_vendor(document["price"], policy)
        return {name: answer(document)[answers]}

    register(id, preset, shows, compute, expected, note=note, test="quoted.py")


def units_of(model: str, text: str, units: str, **more: Any) -> Request:
    return {"price": {"model": model, "tiers": tiers(text), **more}, "units": units}


LAGO_SLABS = "10:10+2 20:5+3 *:5+3"
OPENMETER_STEPS = "5:0+100 10:0+50 15:10 *:5"

for _id, _preset, _slabs, _units, _amount, _shows in (
    ("lago-graduated-001", "lago", LAGO_SLABS, "0", "2", "nothing used, the first flat fee is due"),
    ("lago-graduated-002", "lago", LAGO_SLABS, "1", "12", "one unit in the first tier"),
    ("lago-graduated-005", "lago", LAGO_SLABS, "12", "115", "two tiers, both flat fees"),
    ("lago-graduated-008", "lago", "0.1:10 1:5 *:2", "0.5", "3", "bounds below one unit"),
    ("openmeter-graduated-001", "openmeter", "5:0+100 10:0+50 15:5 *:1", "22", "182",
     "flat tiers below, unit prices above"),
    ("openmeter-graduated-004", "openmeter", OPENMETER_STEPS, "3", "100", "one flat tier entered"),
    ("meteroid-graduated-001", "meteroid", "100:1 200:0.5 *:0.25", "150", "125", "two of three"),
    ("polar-graduated-001", "polar", "10:20000 *:6000", "10", "200000", "the bound is inclusive"),
):  # fmt: skip
    quoted(_id, _preset, f"Graduated: {_shows}", units_of("graduated", _slabs, _units),
           {"amount": _amount})  # fmt: skip

LAGO_VOLUME = "100:2+10 200:1 *:0.5+50"
OPENMETER_VOLUME = "5:0+100 10:0+150 15:10 *:5"

for _id, _preset, _slabs, _units, _amount, _shows in (
    ("lago-volume-001", "lago", LAGO_VOLUME, "0", "10", "nothing used, the first flat fee is due"),
    ("lago-volume-002", "lago", LAGO_VOLUME, "1", "12", "one unit with its flat fee"),
    ("lago-volume-005", "lago", LAGO_VOLUME, "101", "101", "one above the first bound"),
    ("openmeter-volume-005", "openmeter", OPENMETER_VOLUME, "15", "150", "on the third bound"),
    ("openmeter-volume-006", "openmeter", OPENMETER_VOLUME, "16", "80", "one above it"),
):
    quoted(_id, _preset, f"Volume: {_shows}", units_of("volume", _slabs, _units),
           {"amount": _amount})  # fmt: skip

quoted(
    "openmeter-minimum-004", "openmeter", "Volume above its minimum: the minimum adds nothing",
    units_of("volume", OPENMETER_VOLUME, "100", minimum="100"), {"amount": "500"},
)  # fmt: skip

for _id, _units, _amount, _shows in (
    ("lago-graduated_percentage-001", "0", "200", "nothing used, the first flat fee is due"),
    ("lago-graduated_percentage-002", "1", "200.01", "one unit at one per cent"),
):
    quoted(
        _id, "lago", f"Graduated percentage: {_shows}",
        {"price": {"model": "graduated_percentage", "tiers": rates("10:1+200 20:2+300 *:3+400")},
         "units": _units},
        {"amount": _amount},
    )  # fmt: skip

quoted(
    "meteroid-package-001", "meteroid", "Package: the third of 20 is opened by 45 units",
    {"price": {"model": "package", "size": "20", "amount": "5"}, "units": "45"}, {"amount": "15"},
)  # fmt: skip
quoted(
    "openmeter-package-003", "openmeter", "Package: a line that begins in mid-period",
    {"price": {"model": "package", "size": "10", "amount": "15"}, "units": "5",
     "already": {"units": "0"}},
    {"amount": "15"}, note="`already`: what the lines before it used",
)  # fmt: skip

LAGO_EVENTS = {"events": ["50", "100", "250", "400"]}
LAGO_RATE = {"model": "percentage", "rate": "1.3", "fixed": "2", "free_events": "3"}
quoted(
    "lago-percentage-001", "lago", "Percentage: three events and 250 are free, one event crosses",
    {"price": LAGO_RATE | {"free_amount": "250"}, **LAGO_EVENTS}, {"amount": "11.15"},
)  # fmt: skip
quoted(
    "lago-percentage-003", "lago", "Percentage: three events are free, of whatever amount",
    {"price": LAGO_RATE, **LAGO_EVENTS}, {"amount": "7.2"},
)  # fmt: skip
quoted(
    "lago-percentage-007", "lago", "Percentage: four events of one unit, no rounding inside",
    {"price": {"model": "percentage", "rate": "2.9"}, "events": ["1"] * 4}, {"amount": "0.116"},
)  # fmt: skip
quoted(
    "lago-percentage-009", "lago", "Percentage: the least and the most of one event",
    {"price": {"model": "percentage", "rate": "2.99", "event_min": "1.75", "event_max": "12"},
     "events": ["10", "80", "10000"]},
    {"amount": "16.142"},
)  # fmt: skip


def blocks(*rows: tuple[str, str | None, str]) -> list[dict[str, str | None]]:
    return [{"size": size, "max_blocks": most, "unit": unit} for size, most, unit in rows]


TOP = blocks(("100", "10", "1"), ("1000", "100", "1"), ("1000", "100", "0.5"))
quoted(
    "killbill-block_tiers-003", "killbill", "Blocks of every tier, rounded up inside each",
    {"price": {"model": "blocks", "mode": "all",
               "tiers": blocks(("100", "10", "1"), ("1000", None, "1"))}, "units": "5325"},
    {"amount": "15"},
)  # fmt: skip
quoted(
    "killbill-block_tiers-005", "killbill", "All blocks at the tier reached: on its bound",
    {"price": {"model": "blocks", "mode": "top", "tiers": TOP}, "units": "101000"},
    {"amount": "101"},
)  # fmt: skip
quoted(
    "killbill-block_tiers-007", "killbill", "All blocks at the tier reached: above the last",
    {"price": {"model": "blocks", "mode": "top", "tiers": TOP}, "units": "300000"},
    {"amount": "150"},
)  # fmt: skip

CAPACITY = {
    "model": "capacity",
    "tiers": [
        {"amount": "10", "limits": {"unit1": "100", "unit2": "1000", "unit3": "50"}},
        {"amount": "20", "limits": {"unit1": "200", "unit2": "2000", "unit3": "100"}},
        {"amount": "30", "limits": None},
    ],
}
quoted(
    "killbill-capacity-001", "killbill", "Capacity: all peaks on the first limits",
    {"price": CAPACITY, "peaks": {"unit1": "100", "unit2": "1000", "unit3": "50"}},
    {"amount": "10"},
)  # fmt: skip
quoted(
    "killbill-capacity-005", "killbill", "Capacity: one meter alone lifts the tier",
    {"price": CAPACITY, "peaks": {"unit1": "10", "unit2": "2001"}}, {"amount": "30"},
)  # fmt: skip

quoted(
    "flexprice-proration-001", "flexprice", "A change in mid-period, the end date included",
    {"change": {"old": "10", "new": "20", "period": {"start": "2024-03-01", "end": "2024-03-31"},
                "at": "2024-03-15", "policy": "days_inclusive"}},
    {"net": "5.49"}, answers="net",
)  # fmt: skip

for _number, _day, _start, _end, _until, _cycles in (
    ("003", 3, "2011-02-17", None, "2011-03-03", "3/2"),
    ("004", 15, "2011-02-15", None, "2011-03-01", "1"),
    ("005", 15, "2010-12-15", None, "2011-01-16", "2"),
    ("009", 31, "2011-02-14", None, "2011-03-01", "45/31"),
    ("011", 1, "2012-02-01", "2012-02-15", "2012-02-19", "14/29"),
    ("013", 15, "2011-02-15", None, "2011-04-21", "3"),
    ("014", 15, "2011-03-07", None, "2011-04-21", "16/7"),
    ("020", 13, "2011-02-01", None, "2011-04-13", "105/31"),
):
    quoted(
        f"killbill-proration_cycles-{_number}", "killbill",
        f"Months in advance, billing day {_day}, from {_start} by {_until}",
        {"cycles": {"interval": "month", "anchor_day": _day, "start": _start, "end": _end,
                    "until": _until, "policy": "previous_period_stub"}},
        {"billing_cycles": _cycles}, answers="cycles",
    )  # fmt: skip

quoted(
    "flexprice-rounding-003", "flexprice", "A currency without minor units",
    {"round": {"amount": "1000.5", "currency": "KRW"}}, {"rounded": "1001"}, answers="amount",
)  # fmt: skip

CGRATES = {
    "model": "timed",
    "bands": [
        {"days": [1, 2, 3, 4, 5], "from": "00:00", "to": "18:00", "connect_fee": "1", "rate": "1",
         "per": "1", "steps": [{"after": "0", "step": "1"}]},
        {"days": [1, 2, 3, 4, 5], "from": "18:00", "to": "24:00", "rate": "0.5", "per": "1",
         "steps": [{"after": "0", "step": "1"}]},
    ],
}  # fmt: skip
quoted(
    "cgrates-time_of_day_rating-005", "cgrates", "An evening session of 3621 s: no connect fee",
    {"price": CGRATES, "start": "2012-02-08T22:50:00+00:00", "seconds": "3621"},
    {"cost": "1810.5"},
)  # fmt: skip
quoted(
    "cgrates-time_of_day_rating-007", "cgrates", "A session of no length costs nothing",
    {"price": CGRATES, "start": "2012-02-02T17:30:00+00:00", "seconds": "0"}, {"cost": "0"},
)  # fmt: skip
