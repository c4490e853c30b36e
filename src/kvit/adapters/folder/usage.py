"""usage/NAME.csv, .jsonl, .parquet: streams of rows in bounded memory."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from kvit.adapters.folder.mapping import Layout, World
from kvit.adapters.folder.parquet import read_parquet
from kvit.adapters.folder.records import read_csv
from kvit.adapters.folder.suggest import hints, shown
from kvit.adapters.folder.textfile import FileFault, Lines, open_bytes
from kvit.adapters.folder.usage_rows import RowMaker
from kvit.integrations.port import Fault, Notice, Place, UsageRow

Kind = Literal["csv", "jsonl", "parquet"]
_KINDS: dict[str, Kind] = {
    ".csv": "csv", ".csv.gz": "csv", ".jsonl": "jsonl", ".jsonl.gz": "jsonl",
    ".parquet": "parquet", ".parquet.gz": "parquet",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class UsageFile:
    """One file of measurements; `rows` reads it from the beginning each time."""

    name: str
    file: str
    path: Path
    kind: Kind
    layout: Layout
    world: World

    def rows(self) -> Iterator[UsageRow | Fault | Notice]:
        """Yield rows, faults and, at the end, notices."""
        match self.kind:
            case "csv":
                return self._csv()
            case "jsonl":
                return self._jsonl()
            case "parquet":
                return self._parquet()

    def _csv(self) -> Iterator[UsageRow | Fault | Notice]:
        make: Callable[[int, Sequence[object]], UsageRow | Fault] | None = None
        width = 0
        with closing(read_csv(self.path, self.file, encoding=self.layout.encoding)) as records:
            for item in records:
                if isinstance(item, Fault):
                    yield item
                    if make is None:
                        return
                    continue
                row, cells = item
                if make is None:
                    if faults := self.header_faults(cells, row):
                        yield from faults
                        return
                    width, maker = len(cells), self._maker(cells)
                    make = maker.make
                elif len(cells) != width:
                    params = {"found": str(len(cells)), "expected": str(width)}
                    yield Fault("ragged_row", Place(self.file, row), params)
                else:
                    yield make(row, cells)
        if make is not None:
            yield from maker.notices()

    def _jsonl(self) -> Iterator[UsageRow | Fault | Notice]:
        columns = self.layout.columns
        maker = self._maker(columns)
        try:
            stream = open_bytes(self.path, self.file)
        except FileFault as error:
            yield error.fault
            return
        with stream:
            lines = Lines(stream, self.file, self.layout.encoding)
            for text in lines:
                yield from lines.faults
                lines.faults = []
                lines.fresh = True
                if not text.isspace():
                    yield self._event(lines.number, text, maker, columns)
            yield from lines.faults
        yield from maker.notices()

    def _event(
        self, row: int, text: str, maker: RowMaker, columns: Sequence[str]
    ) -> UsageRow | Fault:
        try:
            # Numbers are taken as they are written; no binary float comes between.
            event = json.loads(
                text,
                parse_float=str,
                parse_int=str,
                parse_constant=_refuse,
                object_pairs_hook=_once,
            )
        except (ValueError, RecursionError) as error:
            return Fault("bad_json", Place(self.file, row), {"detail": shown(error)})
        if not isinstance(event, dict):
            return self._wrong_type(row, "", "объект { … }", "an object { … }")
        source = ""
        if "specversion" in event:
            source = shown(event.get("source") or "")
            event = self._unwrapped(event)
            if not isinstance(event, dict):
                return self._wrong_type(row, "data", "объект { … }", "an object { … }")
        cells: list[object] = []
        known = 0
        for name in columns:
            value = event.get(name, "")
            known += name in event
            if isinstance(value, dict | list):
                return self._wrong_type(row, name, "текст или число", "a text or a number")
            cells.append(_text(value))
        if known != len(event):
            for name in event:
                if name not in columns and name not in self.layout.ignore:
                    params = {"name": shown(name), **hints(name, columns)}
                    return Fault("unknown_key", Place(self.file, row, shown(name)), params)
        return maker.make(row, cells, source)

    def _unwrapped(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """A CloudEvent as plain keys: `type` is the meter, `subject` whose it is.

        Extension attributes are the carrier's and are not read.
        """
        data = event.get("data") or {}
        if not isinstance(data, dict):
            return None
        plain = {**data, "id": event.get("id"), "time": event.get("time")}
        plain.setdefault("meter", event.get("type"))
        if "subject" in event and not {"subscription", "customer"} & set(data):
            subject = event["subject"]
            known = subject in self.world.customers and subject not in self.world.subscriptions
            plain["customer" if known else "subscription"] = subject
        return plain

    def _parquet(self) -> Iterator[UsageRow | Fault | Notice]:
        maker: RowMaker | None = None
        with closing(read_parquet(self.path, self.file, self.layout.columns)) as batches:
            for item in batches:
                if isinstance(item, Fault):
                    yield item
                    return
                if maker is None:
                    assert isinstance(item, list)
                    if faults := self.header_faults(item, None):
                        yield from faults
                        return
                    columns = [name for name in item if name in self.layout.columns]
                    maker = self._maker(columns)
                    row = 0
                    continue
                for cells in zip(*item, strict=True):
                    row += 1
                    yield maker.make(row, [_typed(cell) for cell in cells])
        if maker is not None:
            yield from maker.notices()

    def header_faults(self, columns: Sequence[str], row: int | None) -> list[Fault]:
        """What is wrong with the names of the columns; then the file is not read at all."""
        known = [*self.layout.columns, *self.layout.ignore]
        faults = []
        for position, name in enumerate(columns):
            place = Place(self.file, row, name)
            if name not in known:
                params = {"name": shown(name), **hints(name, known)}
                faults.append(Fault("unknown_column", place, params))
            elif name in columns[:position]:
                faults.append(Fault("duplicate_column", place, {"name": name}))
        missing = [name for name in self.layout.required if name not in columns]
        whose = self.layout.whose
        if whose and not any(name in columns for name in whose):
            missing.append(whose[0])
        faults += [
            Fault("missing_column", Place(self.file, row, name), {"name": shown(name)})
            for name in missing
        ]
        return faults

    def _maker(self, columns: Sequence[str]) -> RowMaker:
        return RowMaker(self.name, self.file, self.layout, self.world, columns)

    def _wrong_type(self, row: int, field: str, ru: str, en: str) -> Fault:
        params = {"expected_ru": ru, "expected_en": en}
        return Fault("wrong_type", Place(self.file, row, field), params)


def kind_of(name: str) -> tuple[str, Kind] | None:
    """Split a file's name into NAME and its kind; None for what is not read."""
    for suffix in sorted(_KINDS, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)], _KINDS[suffix]
    return None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else str(value).lower()  # true, false


def _typed(cell: object) -> object:
    """A Parquet value as the text that CSV would have; times stay times."""
    if isinstance(cell, str | datetime):
        return cell
    if isinstance(cell, Decimal):
        text = format(cell, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return "" if cell is None else str(cell)


def _refuse(word: str) -> None:
    raise ValueError(word)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
