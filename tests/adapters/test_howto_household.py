"""docs/howto/household-electricity.md, with the very files that it shows.

The data is `../shared/data/usage/household-hourly.csv` (openMV.net, CC BY-SA), not committed here.
"""

import csv
import shutil
from collections import defaultdict
from datetime import date
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kvit.adapters.folder import read_folder
from kvit.core.calendars import Calendar
from kvit.core.money import to_minor
from kvit.core.pricing import Quantity, Reading, evaluate, parse_price
from kvit.integrations.port import CompanyFolder, UsageRow
from tests.adapters.howto import SHARED, table, write_files

DATA = SHARED / "usage" / "household-hourly.csv"
PAGE = "household-electricity.md"
TORONTO = ZoneInfo("America/Toronto")
BANDS = {
    "Off-peak": Fraction("0.062"),
    "Mid-peak": Fraction("0.092"),
    "On-peak": Fraction("0.108"),
}

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data/usage is not beside this checkout"
)


@pytest.fixture
def house(tmp_path: Path) -> CompanyFolder:
    names = write_files(PAGE, tmp_path)
    assert "usage/household-hourly.toml" in names
    shutil.copy(DATA, tmp_path / "usage")
    return read_folder(tmp_path)


def readings_of(folder: CompanyFolder) -> list[UsageRow]:
    (source,) = folder.usage
    items = list(source.rows())
    assert all(isinstance(item, UsageRow) for item in items)
    return [item for item in items if isinstance(item, UsageRow)]


def calendar_of(folder: CompanyFolder) -> Calendar:
    (row,) = folder.calendars
    return Calendar(frozenset(day for day, kind in row.days.items() if kind == "holiday"))


def as_reading(row: UsageRow) -> Reading:
    assert row.value is not None
    return Reading(row.time.astimezone(TORONTO), Fraction(row.value))


def test_the_files_of_the_page_are_sound_and_every_row_is_read(house: CompanyFolder) -> None:
    assert house.faults == ()
    rows = readings_of(house)
    assert len(rows) == 2712
    assert len({row.id for row in rows}) == 2712
    # Hours follow one another without a gap, over the night when 02:00 never struck.
    assert {(b.time - a.time).total_seconds() for a, b in pairwise(rows)} == {3600}


def test_the_bands_equal_the_utilitys_own_hour_by_hour(house: CompanyFolder) -> None:
    (price_row,) = house.prices
    price, calendar = parse_price(price_row.document), calendar_of(house)
    with DATA.open(encoding="utf-8", newline="") as file:
        columns = list(csv.DictReader(file))
    for row, own in zip(readings_of(house), columns, strict=True):
        hour = Reading(row.time.astimezone(TORONTO), Fraction(1))
        found = evaluate(price, Quantity(readings=(hour,)), calendar=calendar).exact
        theirs = [BANDS[name] for name in BANDS if own[name] == "1"]
        assert [found] == theirs, own


def test_january_costs_what_the_page_says(house: CompanyFolder) -> None:
    (price_row,) = house.prices
    price, calendar = parse_price(price_row.document), calendar_of(house)
    january = [
        as_reading(row)
        for row in readings_of(house)
        if row.time.astimezone(TORONTO).date().replace(day=1) == date(2012, 1, 1)
    ]
    assert len(january) == 31 * 24
    whole = evaluate(price, Quantity(readings=tuple(january)), calendar=calendar)
    assert to_minor(whole.exact, "CAD") == 2420

    units: dict[Fraction, Fraction] = defaultdict(Fraction)
    for reading in january:
        one = Quantity(readings=(Reading(reading.start, Fraction(1)),))
        units[evaluate(price, one, calendar=calendar).exact] += reading.units
    told = {row[0]: row for row in table(PAGE)}
    for name, unit in BANDS.items():
        _, kwh, shown_unit, total = told[name.lower()]
        assert (Fraction(kwh), Fraction(shown_unit)) == (units[unit], unit)
        assert Fraction(total) == units[unit] * unit
    assert Fraction(told["January"][3].split()[0].strip("*")) == whole.exact
