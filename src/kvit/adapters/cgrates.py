"""Tariff plans of CGRateS as prices of the model `destination`.

    python -m kvit.adapters.cgrates TARIFFS > company/catalogue/calls.toml

TARIFFS holds Destinations.csv, Rates.csv, DestinationRates.csv and RatingPlans.csv (a prefix such
as cgrates_ is passed over). Each rating plan becomes a plan with one price. What cannot be said
exactly (timings other than *any, other currencies' conversion) is refused, never dropped:

    Rates             connect fee, rate per unit in increments, from a second of the call on
    DestinationRates  rounding of one call, the most that one call may cost
    RatingPlans       of two rates for one destination the heavier wins

MaxCostStrategy *disconnect cuts a call off when it has cost so much, *free lets it go on: either
way the call costs at most that, so both become `max_cost`.

Source: CGRateS documentation, "Tariff Plans" (cgrates/cgrates, docs/tariff_plans).
"""

import csv
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from kvit.core.money import NotANumber, exact_text, parse_decimal
from kvit.core.pricing import parse_price

Row = Mapping[str, str]
Document = dict[str, Any]
TABLES = ("Destinations", "Rates", "DestinationRates", "RatingPlans")
ANY = "*any"
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}
_ROUNDING = {"*up": "up", "*down": "down", "*middle": "half-up"}


class BadTariffs(ValueError):
    """A tariff plan cannot be taken over exactly; says the table, the id and what is the matter."""

    def __init__(self, table: str, name: str, matter: str) -> None:
        super().__init__(f"{table}, {name}: {matter}")
        self.table = table
        self.name = name
        self.matter = matter


def read_tables(directory: Path) -> dict[str, list[Row]]:
    """Read the four tables; the first line names their columns after a `#`.

    Raises:
        BadTariffs: a table is missing or ragged.
    """
    return {table: _read_table(directory, table) for table in TABLES}


def _read_table(directory: Path, table: str) -> list[Row]:
    found = [path for path in sorted(directory.glob(f"*{table}.csv"))
             if path.name.rpartition("_")[2] == f"{table}.csv"]  # fmt: skip
    if len(found) != 1:
        raise BadTariffs(table, str(directory), f"{len(found)} files of this name")
    with found[0].open(encoding="utf-8-sig", newline="") as file:
        header, *lines = [line for line in csv.reader(file) if line]
    names = [header[0].removeprefix("#"), *header[1:]]
    for line in lines:
        if len(line) != len(names):
            raise BadTariffs(table, line[0], f"{len(line)} fields, not {len(names)}")
    return [dict(zip(names, line, strict=True)) for line in lines if not line[0].startswith("#")]


def prices(tables: Mapping[str, Sequence[Row]]) -> dict[str, Document]:
    """Return a price document for each rating plan, by its id.

    Raises:
        BadTariffs: something cannot be said exactly by one price.
    """
    destinations: dict[str, list[str]] = defaultdict(list)
    for row in tables["Destinations"]:
        destinations[row["Id"]].append(row["Prefix"])
    rates, bound = _by_id(tables["Rates"]), _by_id(tables["DestinationRates"])
    plans: dict[str, list[Row]] = _by_id(tables["RatingPlans"])
    found = {}
    for plan, rows in plans.items():
        chosen: dict[str, tuple[Fraction, Row]] = {}
        for row in rows:
            if row["TimingTag"] != ANY:
                raise BadTariffs("RatingPlans", plan, f"timing {row['TimingTag']} is not *any")
            weight = _number(row["Weight"] or "0", "RatingPlans", plan)
            for rate in _known(bound, row["DestinationRatesId"], "DestinationRates", plan):
                place = rate["DestinationId"]
                if place in chosen and chosen[place][0] == weight:
                    raise BadTariffs("RatingPlans", plan, f"two rates of one weight for {place}")
                if place not in chosen or chosen[place][0] < weight:
                    chosen[place] = weight, rate
        found[plan] = _price(plan, [rate for _, rate in chosen.values()], rates, destinations)
        parse_price(found[plan])  # what we write is what Kvit reads
    return found


def _price(
    plan: str,
    chosen: Sequence[Row],
    rates: Mapping[str, list[Row]],
    destinations: Mapping[str, list[str]],
) -> Document:
    steps = {row["RatesTag"]: _known(rates, row["RatesTag"], "Rates", plan) for row in chosen}
    if any(row["RateUnit"].isdigit() for rows in steps.values() for row in rows):
        return _per_item(plan, chosen, steps)
    return {
        "model": "destination",
        "rates": [
            _destination(row, steps[row["RatesTag"]], _prefixes(row, destinations))
            for row in chosen
        ],
    }


def _per_item(plan: str, chosen: Sequence[Row], steps: Mapping[str, list[Row]]) -> Document:
    """A unit without seconds counts messages: one price for each, wherever it goes."""
    rows = [row for rows in steps.values() for row in rows]
    plain = {(row["RateUnit"], row["RateIncrement"], row["ConnectFee"]) for row in rows}
    if len(rows) != 1 or chosen[0]["DestinationId"] != ANY or plain != {("1", "1", "0")}:
        raise BadTariffs("RatingPlans", plan, "messages priced by more than a plain rate")
    return {"model": "per_unit", "unit": _text(rows[0]["Rate"], "Rates", rows[0]["Id"])}


def _prefixes(row: Row, destinations: Mapping[str, list[str]]) -> list[str]:
    if row["DestinationId"] == ANY:
        return [""]
    return _known(destinations, row["DestinationId"], "Destinations", row["Id"])


def _destination(row: Row, rates: Sequence[Row], prefixes: list[str]) -> Document:
    rates = sorted(rates, key=lambda rate: _seconds(rate["GroupIntervalStart"], rate["Id"]))
    if _seconds(rates[0]["GroupIntervalStart"], rates[0]["Id"]):
        raise BadTariffs("Rates", rates[0]["Id"], "no rate from the first second on")
    steps = [
        {
            "after": exact_text(_seconds(rate["GroupIntervalStart"], rate["Id"])),
            "step": exact_text(_seconds(rate["RateIncrement"], rate["Id"])),
            "rate": _text(rate["Rate"], "Rates", rate["Id"]),
            "per": exact_text(_seconds(rate["RateUnit"], rate["Id"])),
        }
        for rate in rates
    ]
    document: Document = {
        "name": row["DestinationId"],
        "prefixes": prefixes,
        "rate": steps[0]["rate"],
        "per": steps[0]["per"],
        "steps": steps,
    }
    fee = _text(rates[0]["ConnectFee"] or "0", "Rates", rates[0]["Id"])
    if fee != "0":
        document["connect_fee"] = fee
    if any(_number(rate["ConnectFee"] or "0", "Rates", rate["Id"]) for rate in rates[1:]):
        raise BadTariffs("Rates", rates[0]["Id"], "a connect fee after the first second")
    if _number(row["MaxCost"] or "0", "DestinationRates", row["Id"]):
        document["max_cost"] = _text(row["MaxCost"], "DestinationRates", row["Id"])
    if row["RoundingMethod"]:
        if row["RoundingMethod"] not in _ROUNDING:
            raise BadTariffs("DestinationRates", row["Id"], f"rounding {row['RoundingMethod']}")
        document["precision"] = row["RoundingDecimals"]
        document["precision_rounding"] = _ROUNDING[row["RoundingMethod"]]
    return document


def catalogue(
    found: Mapping[str, Document], *, calls: str = "calls", items: str = "messages"
) -> str:
    """Write plans with these prices as a catalogue file; calls and messages are its meters."""
    lines = [
        "# Made by `python -m kvit.adapters.cgrates`.",
        *_table("meter", code=calls, name="Calls", unit="s", dimensions=["destination"]),
        *_table("meter", code=items, name="Messages", unit="message"),
    ]
    for plan, price in found.items():
        meter = items if price["model"] == "per_unit" else calls
        lines += _table("plan", code=plan, name=plan, service="telecom")
        lines += _table("plan.price", code=meter, name=meter, meter=meter, price=price)
    return "\n".join(lines) + "\n"


def _table(header: str, **values: object) -> list[str]:
    return ["", f"[[{header}]]", *(f"{key} = {_toml(value)}" for key, value in values.items())]


def _toml(value: object) -> str:
    """A value on one line; lists of tables, one table a line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "[\n  " + ",\n  ".join(map(_toml, value)) + " ]"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _by_id(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["Id"]].append(row)
    return dict(found)


def _known(rows: Mapping[str, list[Any]], name: str, table: str, asker: str) -> list[Any]:
    if name not in rows:
        raise BadTariffs(table, name, f"not there, though {asker} needs it")
    return rows[name]


def _number(text: str, table: str, name: str) -> Fraction:
    try:
        return parse_decimal(text)
    except NotANumber:
        raise BadTariffs(table, name, f"{text!r} is not a number") from None


def _text(text: str, table: str, name: str) -> str:
    return exact_text(_number(text, table, name))


def _seconds(text: str, name: str) -> Fraction:
    match = _SECONDS.fullmatch(text)
    if not match:
        raise BadTariffs("Rates", name, f"{text!r} is not a duration such as 60s")
    return Fraction(match[1]) * _UNITS[match[2]]


if __name__ == "__main__":
    try:
        sys.stdout.write(catalogue(prices(read_tables(Path(sys.argv[1])))))
    except BadTariffs as error:
        sys.exit(str(error))
