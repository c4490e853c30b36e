"""docs/howto/telecom-destinations.md, and tariffs of CGRateS as prices.

The tutorial's tables are `../shared/data/telecom` (cgrates/cgrates), not committed here; the small
tables of our own have the same shape.
"""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from kvit.adapters.cgrates import BadTariffs, catalogue, prices, read_tables
from kvit.adapters.folder import read_folder
from kvit.core.money import to_minor
from kvit.core.pricing import PriceError, Quantity, Session, evaluate, parse_price
from kvit.integrations.port import UsageRow
from tests.adapters.howto import SHARED, table, write_files

DATA = SHARED / "telecom"
PAGE = "telecom-destinations.md"
MONDAY = datetime(2026, 10, 5, 12, tzinfo=UTC)

TABLES = {
    "Destinations": "#Id,Prefix\nMOBILE,79\nCITY,7495\nCITY,7499\n",
    "Rates": "#Id,ConnectFee,Rate,RateUnit,RateIncrement,GroupIntervalStart\n"
    "R_MOBILE,0,3.00,60s,1s,0s\n"
    "R_CITY,0.5,1.20,60s,60s,0s\nR_CITY,0,0.60,60s,1s,60s\n"
    "R_TEXT,0,2.5,1,1,0\nR_REST,0,9,1m,1m,0s\n",
    "DestinationRates": "#Id,DestinationId,RatesTag,RoundingMethod,RoundingDecimals,MaxCost,"
    "MaxCostStrategy\n"
    "D,MOBILE,R_MOBILE,*up,2,,\nD,CITY,R_CITY,*middle,4,5,*free\nD_REST,*any,R_REST,,,0,\n"
    "D_TEXT,*any,R_TEXT,*up,4,0,\nD_DEAR,CITY,R_REST,,,0,\n",
    "RatingPlans": "#Id,DestinationRatesId,TimingTag,Weight\n"
    "HOME,D,*any,10\nHOME,D_REST,*any,0\nHOME,D_DEAR,*any,5\nTEXT,D_TEXT,*any,0\n",
}


def write_tables(directory: Path, **changed: str) -> Path:
    for name, text in {**TABLES, **changed}.items():
        (directory / f"{name}.csv").write_text(text, encoding="utf-8")
    return directory


def cost(document: dict[str, Any], destination: str, seconds: int) -> Fraction:
    session = Session(MONDAY, Fraction(seconds), destination)
    return evaluate(parse_price(document), Quantity(sessions=(session,))).exact


@pytest.mark.parametrize(
    ("destination", "seconds", "expected"),
    [
        ("79161234567", 61, "3.05"),  # by the second
        ("79161234567", 1, "0.05"),
        ("74951234567", 30, "1.7"),  # 0.50 + a whole minute
        ("74991234567", 90, "2"),  # 0.50 + 1.20 + 30 × 0.01
        ("74951234567", 100_000, "5"),  # the most that a call may cost
        ("441234", 61, "18"),  # anywhere else: two minutes begun
    ],
)
def test_the_longest_prefix_of_the_heaviest_rate_decides(
    tmp_path: Path, destination: str, seconds: int, expected: str
) -> None:
    found = prices(read_tables(write_tables(tmp_path)))
    assert cost(found["HOME"], destination, seconds) == Fraction(expected)


def test_messages_cost_by_the_piece(tmp_path: Path) -> None:
    found = prices(read_tables(write_tables(tmp_path)))
    assert found["TEXT"] == {"model": "per_unit", "unit": "2.5"}


@pytest.mark.parametrize(
    ("name", "old", "new", "matter"),
    [
        ("RatingPlans", "D_REST,*any", "D_REST,PEAK", "timing"),
        ("RatingPlans", "D_DEAR,*any,5", "D_DEAR,*any,10", "two rates of one weight"),
        ("RatingPlans", "HOME,D,", "HOME,X,", "not there"),
        ("DestinationRates", "D,CITY,R_CITY", "D,CITY,R_NONE", "not there"),
        ("DestinationRates", "*middle", "*sideways", "rounding"),
        ("Rates", "R_CITY,0,0.60", "R_CITY,1,0.60", "connect fee"),
        ("Rates", "R_MOBILE,0,3.00,60s,1s,0s", "R_MOBILE,0,3.00,60s,1s,5s", "first second"),
        ("Rates", "3.00", "three", "not a number"),
        ("Rates", "9,1m", "9,1 minute", "not a duration"),
        ("Rates", "R_REST,0,9,1m,1m,0s", "R_REST,0,9,1m,1m", "fields"),
    ],
)
def test_what_cannot_be_said_exactly_is_refused(
    tmp_path: Path, name: str, old: str, new: str, matter: str
) -> None:
    assert TABLES[name].count(old) == 1
    directory = write_tables(tmp_path, **{name: TABLES[name].replace(old, new)})
    with pytest.raises(BadTariffs, match=matter):
        prices(read_tables(directory))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    (write_tables(tmp_path) / "Rates.csv").unlink()
    with pytest.raises(BadTariffs, match="Rates"):
        read_tables(tmp_path)


needs_data = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data/telecom is not beside this checkout"
)


@needs_data
def test_the_calls_of_the_page_cost_what_it_reckons_by_hand(tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    (tmp_path / "catalogue").mkdir()
    text = catalogue(prices(read_tables(DATA)))
    (tmp_path / "catalogue/calls.toml").write_text(text, encoding="utf-8")
    folder = read_folder(tmp_path)
    assert folder.faults == ()
    plans = {row.code: row.plan for row in folder.subscriptions}
    found = {price.plan: dict(price.document) for price in folder.prices}

    rows = [item for item in folder.usage[0].rows() if isinstance(item, UsageRow)]
    told = {row[0]: row for row in table(PAGE)}
    totals: dict[str, Fraction] = {}
    for row in rows:
        code = row.subject[1]
        exact = cost(found[plans[code]], row.dimensions["destination"], int(row.value or 0))
        assert exact == Fraction(told[row.id][4]), row.id
        totals[code] = totals.get(code, Fraction(0)) + exact
    assert totals == {"line-1001": Fraction("2.0717"), "line-1002": Fraction("0.7084")}
    assert {code: to_minor(exact, "EUR") for code, exact in totals.items()} == {
        "line-1001": 207,
        "line-1002": 71,
    }


@needs_data
def test_every_rating_plan_of_the_tutorial_becomes_a_price() -> None:
    found = prices(read_tables(DATA))
    assert list(found) == ["RP_1001", "RP_1002", "RP_1002_LOW", "RP_1003", "RP_SMS", "RP_MMS"]
    with pytest.raises(PriceError):
        cost(found["RP_1001"], "1005", 10)  # no destination of this plan begins so
