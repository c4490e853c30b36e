"""Rows on their way into metering: an event, a row that could not be read, and what is checked.

A reader (a file, the API, a broker) yields `EventIn`; what it cannot read it reports as
`RejectedIn`. `fault_of` is the gate for both: an event that it lets through can be stored without
losing a digit or a letter.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

SUBJECT_KINDS = ("subscription", "customer")
MAX_KEY = 200  # characters; three of them and their overhead fit into an index entry of PostgreSQL
MAX_TEXT = 2_000
MAX_DIMENSIONS_BYTES = 8_000
MAX_RAW = 500
SCALE = 12  # decimals of NUMERIC(38, 12); PostgreSQL would round the rest away in silence
WHOLE_DIGITS = 26
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class EventIn(NamedTuple):
    """One event as offered. Within a source its id makes it the same event."""

    event_id: str
    subject_kind: str  # "subscription" or "customer"
    subject: str  # the code; whether anybody knows it is not asked here
    meter: str  # likewise
    time: datetime  # aware; kept to the microsecond
    value: Decimal | None = None
    text: str | None = None  # what "unique" and "latest" may look at
    dimensions: Mapping[str, str] = {}
    row: int = 0  # the line in its file, the first being 1; 0 where there are no lines
    part: int = 0  # which of the requests that are taken in together


class RejectedIn(NamedTuple):
    """A row that is no event: kept in sight until an event of the same id is accepted."""

    row: int
    field: str
    code: str  # a stable error code of whoever could not read it
    params: Mapping[str, Any] = {}  # for the words of that code
    raw: str = ""  # the beginning of the row as it came
    event_id: str = ""  # if that much could be read
    part: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """What one request brings: events by source, and what of it could not be read."""

    events: Mapping[str, Sequence[EventIn]]
    rejected: Sequence[RejectedIn] = ()
    source: str = ""  # which the rejected rows are of

    @property
    def size(self) -> int:
        return sum(map(len, self.events.values())) + len(self.rejected)


class BulkIn(NamedTuple):
    """A request to be kept: what it holds was counted, and not read."""

    body: bytes
    offered: int
    source: str


@dataclass(slots=True)
class Taken:
    """What became of an offer: accepted + repeated + conflicting + rejected = offered.

    What is not listed was accepted.
    """

    offered: int
    version: int = 0  # the tenant's usage version after it
    repeats: list[EventIn] = field(default_factory=list)
    conflicts: list[EventIn] = field(default_factory=list)
    rejections: list[RejectedIn] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        return self.offered - len(self.repeats) - len(self.conflicts) - len(self.rejections)


def fault_of(event: EventIn) -> tuple[str, str, dict[str, Any]] | None:
    """Return (field, code, parameters) of the first thing that forbids to store the event."""
    if event.subject_kind not in SUBJECT_KINDS:
        return "subject_kind", "usage_subject_kind_unknown", {"kind": event.subject_kind[:40]}
    return _text_fault(event) or _time_fault(event.time) or _value_fault(event.value)


def payload_of(event: EventIn) -> tuple[str | None, str, bytes]:
    """Return the value and the dimensions as they are stored, and the SHA-256 of all that is said.

    1.5 and 1.50 say the same, as do two spellings of one moment.
    """
    value = None if event.value is None else _plain(event.value)
    dimensions = "{}"
    if event.dimensions:
        dimensions = orjson.dumps(dict(event.dimensions), option=orjson.OPT_SORT_KEYS).decode()
    microseconds = (event.time - EARLIEST) // _MICROSECOND
    said = orjson.dumps(
        (
            event.subject_kind,
            event.subject,
            event.meter,
            microseconds,
            value,
            event.text,
            dimensions,
        )
    )
    return value, dimensions, hashlib.sha256(said).digest()


def _plain(value: Decimal) -> str:
    """Write a decimal in one way: no exponent, no trailing zero, no minus before zero."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _text_fault(event: EventIn) -> tuple[str, str, dict[str, Any]] | None:
    keys = event.event_id, event.subject, event.meter
    for name, key in zip(("id", "subject", "meter"), keys, strict=True):
        if not key:
            return name, "usage_key_missing", {"field": name}
        if len(key) > MAX_KEY:
            return name, "usage_key_too_long", {"field": name, "limit": MAX_KEY}
        if not storable(key):
            return name, "usage_text_invalid", {"field": name}
    if event.text is not None:
        if len(event.text) > MAX_TEXT:
            return "text", "usage_key_too_long", {"field": "text", "limit": MAX_TEXT}
        if not storable(event.text):
            return "text", "usage_text_invalid", {"field": "text"}
    return _dimensions_fault(event.dimensions) if event.dimensions else None


def _dimensions_fault(dimensions: Mapping[str, str]) -> tuple[str, str, dict[str, Any]] | None:
    size = 0
    for name, value in dimensions.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            return "dimensions", "usage_dimensions_invalid", {"limit": MAX_DIMENSIONS_BYTES}
        if not (storable(name) and storable(value)):
            return "dimensions", "usage_text_invalid", {"field": name[:40]}
        size += len(name.encode()) + len(value.encode())
    if size > MAX_DIMENSIONS_BYTES:
        return "dimensions", "usage_dimensions_invalid", {"limit": MAX_DIMENSIONS_BYTES}
    return None


def _time_fault(time: datetime) -> tuple[str, str, dict[str, Any]] | None:
    if time.utcoffset() is None:
        return "time", "usage_time_without_zone", {}
    if not EARLIEST <= time < LATEST:
        return "time", "usage_time_out_of_range", {}
    return None


def _value_fault(value: Decimal | None) -> tuple[str, str, dict[str, Any]] | None:
    if value is None:
        return None
    if not value.is_finite():
        return "value", "usage_value_not_finite", {}
    if value and value.adjusted() >= WHOLE_DIGITS:
        return "value", "usage_value_too_large", {"limit": WHOLE_DIGITS}
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -SCALE and not _ends_in_zeros(value, exponent):
        return "value", "usage_value_too_precise", {"limit": SCALE}
    return None


def _ends_in_zeros(value: Decimal, exponent: int) -> bool:
    """Whether all digits past the scale are zeros, so that nothing is lost without them."""
    past = -exponent - SCALE
    return not any(value.as_tuple().digits[-past:])


def storable(text: str) -> bool:
    """Whether PostgreSQL can keep the text as it is: no NUL, no half of a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean(text: str, limit: int) -> str:
    """Cut a hostile text and replace what cannot be kept: it is only shown to people."""
    return (
        text[:limit].encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    )
