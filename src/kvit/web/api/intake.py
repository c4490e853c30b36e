"""Reading usage events off the wire: each is an event, or a fault that names its field.

Two spellings, in one batch too:

    {"id": "e1", "subscription": "S-1", "meter": "api_calls", "time": "2026-10-16T12:00:00+03:00",
     "value": "5"}
    {"specversion": "1.0", "id": "e1", "source": "crm", "type": "api_calls", "subject": "S-1",
     "time": "2026-10-16T09:00:00Z", "data": {"value": 5}}

A sound batch is decoded in one go. Where one event is not, all are decoded one by one, so that the
others are taken. A number is read digit by digit and never passes through a float; the underscore
that Python reads between digits is none of them.
"""

import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kvit.adapters.folder.suggest import hints, shown
from kvit.metering.rows import MAX_KEY, MAX_RAW, EventIn, Offer, RejectedIn, storable
from kvit.web.api.problems import ApiRefused

MOST = 10_000
MOST_BYTES = 64 * 2**20  # of a batch, unpacked
PACKED_BYTES = 4 * 2**10
SOURCE = "api"
_MISSING = re.compile(r"missing required field `(\w+)`")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_TWICE = re.compile(r"said twice: (.*)", re.DOTALL)
_FIELD = re.compile(r"at `\$(?:\.data)?\.?([\w.]*)")
_EXPECTED = re.compile(r"Expected `([^`]+)`")
# A text that ends as a number with an underscore in it; whether it is a value is looked at then.
_GROUPED = re.compile(rb'_[^"_A-DF-Za-df-z]*"')
_GROUPED_VALUE = re.compile(rb'"value"\s*:\s*"[^"]*_')


class Sent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event as Kvit writes it."""

    id: str
    meter: str
    time: datetime
    subscription: str = ""
    customer: str = ""
    value: Decimal | None = None
    text: str | None = None
    dimensions: dict[str, str] = {}
    source: str = ""


class CloudData(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What a CloudEvent measures."""

    value: Decimal | None = None
    text: str | None = None
    dimensions: dict[str, str] = {}


class Cloud(msgspec.Struct, gc=False):
    """A CloudEvent 1.0; attributes that we do not know are its own business."""

    specversion: str
    id: str
    source: str
    type: str
    time: datetime
    subject: str
    data: CloudData = msgspec.field(default_factory=CloudData)


_in_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read. The row of an event is its place in the batch, the first being 1."""

    ids: list[str]
    offer: Offer


def unpacked(body: bytes, encoding: str, *, most: int = MOST_BYTES) -> bytes:
    """Return the body, unpacked where it came by gzip, if it is no larger than `most` then.

    Raises:
        ApiRefused: it is no gzip, packed in another way, or larger than a batch may be.
    """
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise ApiRefused("encoding_unsupported", status=415, given=encoding[:40])
    try:
        return b"".join(_members(body, most))
    except zlib.error:
        raise ApiRefused("bad_request", status=400) from None


def _members(body: bytes, most: int) -> Iterator[bytes]:
    """Yield the contents of a packed body, of whose members none may be lost.

    It is fed in small pieces: what follows a member is copied, and there may be many members.
    """
    size, unpack = 0, None
    for start in range(0, len(body), PACKED_BYTES):
        packed = body[start : start + PACKED_BYTES]
        while packed:
            unpack = unpack or zlib.decompressobj(wbits=31)
            part = unpack.decompress(packed, most - size + 1)
            size += len(part)
            if size > most:
                raise ApiRefused("body_too_large", status=413, limit=most)
            yield part
            packed, unpack = unpack.unused_data, None if unpack.eof else unpack
    if unpack is not None:
        raise zlib.error("its end is missing")


def read(body: bytes, *, source: str, part: int = 0) -> Batch:
    """Return the events of a body: one, or an array of them.

    Args:
        source: of events that name none.
        part: which request it is of those that are taken in together.

    Raises:
        ApiRefused: it is no JSON, empty, or holds more than `MOST` events.
    """
    raw = _as_list(body)
    kind = Cloud if b'"specversion"' in raw[:4_000] else Sent
    try:
        together: Sequence[Any] = msgspec.json.decode(raw, type=list[kind])  # type: ignore[valid-type]
        is_sound = not _may_be_grouped(raw) and _said_twice(raw) is None
    except (msgspec.DecodeError, ValueError, RecursionError):
        is_sound = False
    if not is_sound:
        together = [_one(bytes(part)) for part in _parts(raw)]
    if not 0 < len(together) <= MOST:
        raise ApiRefused("batch_size", status=422, limit=MOST)
    ids: list[str] = []
    events: dict[str, list[EventIn]] = defaultdict(list)
    rejected: list[RejectedIn] = []
    for row, one in enumerate(together, 1):
        found = _event(row, one, part)
        ids.append(found.event_id)
        own = getattr(one, "source", "") or source
        if isinstance(found, EventIn) and (len(own) > MAX_KEY or not storable(own)):
            raw_event = msgspec.json.encode(one).decode("utf-8", "replace")[:MAX_RAW]
            code = "usage_key_too_long" if len(own) > MAX_KEY else "usage_text_invalid"
            params = {"field": "source", "limit": MAX_KEY}
            found = RejectedIn(row, "source", code, params, raw_event, found.event_id)
        if isinstance(found, EventIn):
            events[own].append(found)
        else:
            rejected.append(found)
    return Batch(ids, Offer(events, rejected, source))


def count(body: bytes) -> int:
    """Return how many events a body holds, of which `read` will then find as many.

    Raises:
        ApiRefused: as `read`.
    """
    found = len(_parts(_as_list(body)))
    if not 0 < found <= MOST:
        raise ApiRefused("batch_size", status=422, limit=MOST)
    return found


def read_kept(body: bytes, source: str, part: int) -> Offer:
    """Return the events of a body that was counted before."""
    return read(body, source=source, part=part).offer


def _as_list(body: bytes) -> bytes:
    return body if body.lstrip()[:1] == b"[" else b"[" + body + b"]"


def _parts(raw: bytes) -> list[msgspec.Raw]:
    """Part a list into its members, none of them read."""
    try:
        return _in_parts(raw)
    except (msgspec.DecodeError, RecursionError):
        raise ApiRefused("bad_request", status=400) from None


def _may_be_grouped(raw: bytes) -> bool:
    """Whether a value may hold an underscore; it, and `value`, may be written as escapes."""
    if b"\\" in raw and b"\\u00" in raw:
        return True
    return _GROUPED.search(raw) is not None and _GROUPED_VALUE.search(raw) is not None


class _Twice(Exception):
    """A key stands twice in an object."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len(dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))


def _said_twice(raw: bytes) -> str | None:
    """Return a key that stands twice in an object: the decoder of events takes the last of them.

    It has read the bytes already, and none of its values is looked at here.
    """
    try:
        json.loads(raw, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except _Twice as twice:
        return str(twice).encode(errors="replace").decode()
    return None


def _one(raw: bytes) -> Any:
    kind = Cloud if b'"specversion"' in raw else Sent
    try:
        found = msgspec.json.decode(raw, type=kind)
        twice = _said_twice(raw)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        return _Unread(raw, str(error), kind)
    if twice is not None:
        return _Unread(raw, f"said twice: {twice}", kind)
    given = _plain(raw)
    value = (given if kind is Sent else given.get("data", {})).get("value")
    if isinstance(value, str) and "_" in value:
        return _Unread(raw, "at `$.value`", kind)
    return found


@dataclass(frozen=True, slots=True)
class _Unread:
    raw: bytes
    error: str
    kind: type[Any]


def _event(row: int, one: Any, part: int) -> EventIn | RejectedIn:
    if isinstance(one, _Unread):
        return _rejected(row, one)
    if isinstance(one, Sent):
        if bool(one.subscription) == bool(one.customer):
            raw = msgspec.json.encode(one).decode()[:MAX_RAW]
            return RejectedIn(row, "subscription", "bad_subject", {}, raw, event_id=one.id)
        kind = "subscription" if one.subscription else "customer"
        return EventIn(
            one.id, kind, one.subscription or one.customer, one.meter, one.time, one.value,
            one.text, one.dimensions, row, part,
        )  # fmt: skip
    kind, _, code = one.subject.rpartition(":")
    data = one.data
    return EventIn(
        one.id, kind or "subscription", code, one.type, one.time, data.value, data.text,
        data.dimensions, row, part,
    )  # fmt: skip


def _rejected(row: int, one: _Unread) -> RejectedIn:
    given = _plain(one.raw)
    place, code, params = _fault(one, given)
    raw = one.raw[:MAX_RAW].decode("utf-8", "replace")
    event_id = given.get("id", "") if isinstance(given, dict) else ""
    return RejectedIn(
        row, place, code, params, raw, event_id=event_id if isinstance(event_id, str) else ""
    )


def _fault(one: _Unread, given: Any) -> tuple[str, str, Mapping[str, Any]]:
    """Return the field, the code and the parameters of what the decoder says."""
    try:
        one.raw.decode()
    except UnicodeDecodeError as error:
        return "event", "not_utf8", {"byte": error.start + 1}
    if found := _TWICE.match(one.error):
        return found[1], "duplicate_key", {"name": shown(found[1])}
    if found := _MISSING.search(one.error):
        return found[1], "missing_value", {"field": found[1]}
    if found := _UNKNOWN.search(one.error):
        known = [info.name for info in msgspec.structs.fields(one.kind)]
        return found[1], "unknown_key", {"name": shown(found[1]), **hints(found[1], known)}
    found = _FIELD.search(one.error)
    place = found[1].split(".")[0] if found else ""
    value = shown(_inner(given, place))
    if place == "time":
        return place, "bad_time", {"value": value}
    if place == "value":
        return place, "bad_number", {"value": value}
    expected = _EXPECTED.search(one.error)
    kind = (expected[1] if expected else "object").split(" ")[0]
    russian = {"str": "строка", "object": "объект"}.get(kind, kind)
    return place or "event", "wrong_type", {"expected_ru": russian, "expected_en": kind}


def _inner(given: Any, place: str) -> Any:
    if not isinstance(given, dict):
        return given
    data = given.get("data")
    inner = data if isinstance(data, dict) and place in data else given
    return inner.get(place, "")


def _plain(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
