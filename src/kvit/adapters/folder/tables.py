"""CSV lists with named columns: customers, subscriptions, changes, calendars."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kvit.adapters.folder.fields import Fields
from kvit.adapters.folder.records import delimiter_of, read_csv
from kvit.adapters.folder.suggest import hints, shown
from kvit.integrations.port import Fault, Place

FAULT_LIMIT = 10_000
_ROW_FAULTS = frozenset({"not_utf8", "nul_byte", "line_too_long", "bad_csv"})


class Table:
    """The rows of one list, and what to think of it after reading.

    `whole` turns False when its columns cannot be trusted or reading had to stop. `broken` holds
    what the key column (the first required one) of unreadable rows seems to say; "" where even
    that is lost.
    """

    def __init__(
        self,
        path: Path,
        file: str,
        *,
        columns: Sequence[str],
        required: Sequence[str],
        faults: list[Fault],
    ) -> None:
        self.whole = True
        self.broken: set[str] = set()
        self._path = path
        self._file = file
        self._columns = columns
        self._required = required
        self._faults = faults
        self._header: list[str] = []

    def rows(self) -> Iterator[Fields]:
        """Yield the readable rows; a value that does not fit becomes a fault when it is asked for.

        An unknown or repeated column makes the whole list untrustworthy, since what it says may
        change what is billed; the rows are read all the same, so that their faults are told too.
        """
        before = len(self._faults)
        for item in read_csv(self._path, self._file):
            if isinstance(item, Fault):
                self._refused(item)
            elif not self._header:
                if not self._header_fits(item[1], item[0]):
                    return
            elif len(item[1]) != len(self._header):
                self._ragged(item[0], item[1])
            else:
                yield self._fields(item[0], item[1])
            if len(self._faults) - before > FAULT_LIMIT:
                fault = Fault("too_many_faults", Place(self._file), {"limit": str(FAULT_LIMIT)})
                self._faults.append(fault)
                self.whole = False
                return

    def _fields(self, row: int, values: list[str]) -> Fields:
        given = zip(self._header, values, strict=True)
        return Fields(
            {name: value.strip(" \N{NO-BREAK SPACE}") for name, value in given
             if name in self._columns},
            known=self._columns,
            at=lambda field: Place(self._file, row, field),
            faults=self._faults,
        )  # fmt: skip

    def _refused(self, fault: Fault) -> None:
        self._faults.append(fault)
        if fault.code not in _ROW_FAULTS or not self._header:
            self.whole = False
            return
        text = fault.params.get("text", "")
        delimiter = delimiter_of(text)
        self.broken.add(self._key_of([part.strip(' "') for part in text.split(delimiter)]))

    def _ragged(self, row: int, values: list[str]) -> None:
        params = {"found": str(len(values)), "expected": str(len(self._header))}
        self._faults.append(Fault("ragged_row", Place(self._file, row), params))
        self.broken.add(self._key_of(values))

    def _key_of(self, values: list[str]) -> str:
        position = self._header.index(self._required[0])
        return values[position].strip() if position < len(values) else ""

    def _header_fits(self, header: list[str], row: int) -> bool:
        """Check the names of columns; False when nothing can be read by them."""
        self._header = header
        for position, name in enumerate(header):
            place = Place(self._file, row, name)
            if name not in self._columns:
                params = {"name": shown(name), **hints(name, self._columns)}
                self._faults.append(Fault("unknown_column", place, params))
                self.whole = False
            elif name in header[:position]:
                self._faults.append(Fault("duplicate_column", place, {"name": name}))
                self.whole = False
        missing = [name for name in self._required if name not in header]
        for name in missing:
            fault = Fault("missing_column", Place(self._file, row, name), {"name": name})
            self._faults.append(fault)
            self.whole = False
        return not missing
