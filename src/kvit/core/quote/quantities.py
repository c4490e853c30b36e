"""Reads the quantity of a price: exactly the fields that this price reads, and no others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Annotated

from kvit.core.calendars import Calendar, UnknownYear, russian
from kvit.core.pricing import Price, PriceError
from kvit.core.pricing.allowance import Allowance
from kvit.core.pricing.bands import HolidayCalendar
from kvit.core.pricing.composed import Composed
from kvit.core.pricing.errors import unknown_field
from kvit.core.pricing.fields import (
    Amount,
    Amounts,
    Reader,
    SignedAmounts,
    Texts,
    read_choice,
    read_days_of,
    read_list,
    read_number,
    read_object,
    read_row,
    read_text,
)
from kvit.core.pricing.matrix import Matrix
from kvit.core.pricing.quantity import PricedEvent, Quantity, Reading, Session, UsageItem

QUANTITY_FIELDS = (
    "units", "events", "usage", "peaks", "start", "seconds", "destination", "sessions",
    "readings", "carried", "attributes", "counters", "already",
)  # fmt: skip


def read_moment(value: object, path: str) -> datetime:
    """Read an ISO 8601 time with a zone."""
    text = read_text(value, path)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise PriceError("bad_period", path, reason="time", value=text[:40])
    return moment


def _read_carried(value: object, path: str) -> tuple[Fraction, ...]:
    if not isinstance(value, list):
        return (read_number(value, path),)
    return tuple(read_number(item, f"{path}[{i}]") for i, item in enumerate(value))


Moment = Annotated[datetime, Reader(read_moment, datetime.isoformat)]
Carried = Annotated[tuple[Fraction, ...], Reader(_read_carried, list)]


@dataclass(frozen=True, slots=True)
class _Usage:
    dimensions: Texts
    units: Amount


@dataclass(frozen=True, slots=True)
class _Session:
    start: Moment
    seconds: Amount
    destination: str = ""


@dataclass(frozen=True, slots=True)
class _Reading:
    start: Moment
    units: Amount


@dataclass(frozen=True, slots=True)
class _Event:
    amount: Amount
    units: Amount = Fraction(0)


@dataclass(frozen=True, slots=True)
class _Circumstances:
    """What a composed price or an allowance may be told besides."""

    carried: Carried = ()
    attributes: Texts = ()
    counters: SignedAmounts = ()


@dataclass(frozen=True, slots=True)
class _Peaks:
    peaks: Amounts


class _Russian:
    """The built-in calendar, read year by year as days are asked about."""

    def is_holiday(self, day: date) -> bool:
        try:
            return russian(day.year).is_holiday(day)
        except UnknownYear:
            raise PriceError(
                "out_of_range", "calendar", value=day.year, bounds="1991…2100"
            ) from None


def read_calendar(given: object, path: str) -> HolidayCalendar | None:
    """Read `calendar`: the dates that are holidays, or "ru" for the built-in Russian one."""
    if given is None:
        return None
    if isinstance(given, str):
        read_choice(given, path, ("ru",))
        return _Russian()
    rows = read_list(given, path)
    return Calendar(frozenset(read_days_of(day, f"{path}[{i}]") for i, day in enumerate(rows)))


def known_fields(price: Price) -> frozenset[str]:
    """Return the fields that a quantity of this price may have, `already` apart."""
    known: set[str] = set()
    for part in price.reads:
        match part:
            case "nothing" | "units":
                known.add("units")
            case "sessions":
                known |= {"start", "seconds", "destination", "sessions"}
            case "dynamic":
                known.add("events")
            case _:
                known.add(part)
    if isinstance(price, Allowance | Matrix | Composed):
        known.add("carried")
    if isinstance(price, Composed):
        known |= {"attributes", "counters", "units"}
    return frozenset(known)


def read_quantity(price: Price, document: Mapping[str, object], path: str = "") -> Quantity:
    """Read what `price` needs from `document`; other fields are the caller's to refuse.

    Args:
        price: decides which fields there are.
        document: the line, an entry of `quantities`, or `already`.
        path: what stands before the field's name in an error, with its dot.

    Raises:
        PriceError: a missing field, or a value that does not fit.
    """
    known = known_fields(price)
    for name in document:
        if name in QUANTITY_FIELDS and name not in known and name != "already":
            raise unknown_field(path.rstrip("."), name, sorted(known))
    reads = price.reads
    events = _rows(document, "events", path) if reads & {"events", "dynamic"} else ()
    circumstances = read_row(
        _Circumstances,
        {name: document[name] for name in ("carried", "attributes", "counters")
         if name in known and name in document},
        path.rstrip("."),
    )  # fmt: skip
    return Quantity(
        units=_units(document, path, required="units" in reads),
        events=tuple(read_number(v, p) for v, p in events) if "events" in reads else (),
        dynamic=tuple(_event(v, p) for v, p in events) if "dynamic" in reads else (),
        usage=tuple(_usage(v, p) for v, p in _rows(document, "usage", path))
        if "usage" in reads
        else (),
        peaks=_peaks(document, path) if "peaks" in reads else {},
        sessions=_sessions(document, path) if "sessions" in reads else (),
        readings=tuple(_reading(v, p) for v, p in _rows(document, "readings", path))
        if "readings" in reads
        else (),
        carried=circumstances.carried,
        attributes=dict(circumstances.attributes),
        counters=dict(circumstances.counters),
    )


def _units(document: Mapping[str, object], path: str, *, required: bool) -> Fraction:
    if document.get("units") is None:
        if required:
            raise PriceError("missing_field", f"{path}units", name="units")
        return Fraction(0)
    return read_number(document["units"], f"{path}units")


def _rows(document: Mapping[str, object], name: str, path: str) -> list[tuple[object, str]]:
    if document.get(name) is None:
        raise PriceError("missing_field", f"{path}{name}", name=name)
    rows = read_list(document[name], f"{path}{name}")
    return [(row, f"{path}{name}[{i}]") for i, row in enumerate(rows)]


def _event(value: object, path: str) -> PricedEvent:
    event = read_row(_Event, value, path)
    return PricedEvent(event.units, event.amount)


def _usage(value: object, path: str) -> UsageItem:
    item = read_row(_Usage, value, path)
    return UsageItem(item.dimensions, item.units)


def _reading(value: object, path: str) -> Reading:
    reading = read_row(_Reading, value, path)
    return Reading(reading.start, reading.units)


def _peaks(document: Mapping[str, object], path: str) -> dict[str, Fraction]:
    given = {"peaks": document["peaks"]} if document.get("peaks") is not None else {}
    return dict(read_row(_Peaks, given, path.rstrip(".")).peaks)


def _sessions(document: Mapping[str, object], path: str) -> tuple[Session, ...]:
    if "sessions" in document:
        for name in ("start", "seconds", "destination"):
            if name in document:
                raise unknown_field(path.rstrip("."), name, ["sessions"])
        rows = _rows(document, "sessions", path)
    else:
        names = ("start", "seconds", "destination")
        rows = [({name: document[name] for name in names if name in document}, path.rstrip("."))]
    found = []
    for value, where in rows:
        session = read_row(_Session, read_object(value, where), where)
        found.append(Session(session.start, session.seconds, session.destination))
    return tuple(found)
