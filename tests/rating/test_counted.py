"""What cumulative meters showed more, from columns: edges that a random month does not reach."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from kvit.core.catalogue import Meter
from kvit.core.columnar.runs import Runs
from kvit.metering._columns import Codes
from kvit.metering.queries import UsageColumns
from kvit.rating._counted import Counted

METER = Meter("kwh", "Энергия", "кВт·ч", "difference", dimensions=("serial",))


def consumed(readings: Sequence[tuple[str, int]]) -> int:
    """Return what one member used by readings in order, each of a meter with a serial number."""
    serials = sorted({serial for serial, _ in readings})
    rows = len(readings)
    usage = UsageColumns(
        subjects=np.array([0]),
        subject_codes=pa.array(["s"]),
        meters=np.array([0]),
        meter_codes=["kwh"],
        runs=Runs(np.array([0]), rows),
        values=np.array([value for _, value in readings]),
        scale=1,
        missing=np.zeros(rows, np.bool_),
        wide=np.zeros(rows, np.bool_),
        texts=Codes(np.zeros(rows, np.int64)),
        dimensions=Codes(np.array([serials.index(serial) for serial, _ in readings])),
        dimension_texts=pa.array([f'{{"serial": "{serial}"}}' for serial in serials]),
        times=np.arange(rows),
    )
    return int(Counted(usage, ["s"], [METER]).units(METER).num[0])


def test_each_serial_number_begins_with_its_first_reading() -> None:
    assert consumed([("a", 100), ("a", 150), ("b", 7), ("b", 10), ("a", 151)]) == 51 + 3
    assert consumed([("a", 100)]) == 0
    assert consumed([("a", 100), ("a", 40)]) == -60


def test_many_large_meters_add_up_beyond_64_bits() -> None:
    large = 9 * 10**17
    readings = [(f"m{n:02}", value) for n in range(12) for value in (0, large)]
    assert consumed(readings) == 12 * large > 2**63


def test_readings_far_apart_differ_by_more_than_64_bits() -> None:
    far = 9 * 10**18
    assert consumed([("a", -far), ("a", far)]) == 2 * far > 2**63
