"""Events as one statement takes them along: as columns, each a text, parted by a sign of control.

A text of a column is parted by the server several times as quickly as an object of JSON is read.
Where there are few, or the sign stands in what an event says, they go as JSON.
"""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from kvit.metering.rows import EventIn, payload_of

FEW = 16  # up to here JSON is as quick, and simpler to plan
_PART, _NONE = "\x1e", "\x1f"
_TYPES = """
    position integer, event_id text COLLATE "C", subject_kind text, subject text, meter text,
    "time" timestamptz, value numeric, text text, dimensions jsonb, payload_hash bytea
"""
_AS_JSON = f"json_to_recordset(%(events)s::json) AS s ({_TYPES})"
_PARTED = ", ".join(
    rf"string_to_array(%({name})s, E'\x1e'{none})"
    for name, none in (
        ("event_ids", ""), ("kinds", ""), ("subjects", ""), ("meters", ""), ("times", ""),
        ("values", ", ''"), ("texts", r", E'\x1f'"), ("dimensions", ""),
    )
)  # fmt: skip
_AS_COLUMNS = f"""
    (SELECT (%(before)s + place)::integer AS position, event_id COLLATE "C" AS event_id,
            subject_kind, subject, meter, "time"::timestamptz AS "time", value::numeric AS value,
            text, coalesce(dimensions::jsonb, '{{}}') AS dimensions,
            substr(%(hashes)s, 32 * place::integer - 31, 32) AS payload_hash
     FROM unnest({_PARTED}) WITH ORDINALITY AS told
          (event_id, subject_kind, subject, meter, "time", value, text, dimensions, place)) s
"""


class Offered(NamedTuple):
    """Events in order: `sql` stands after FROM and names them `s`, with the columns of an event."""

    sql: str
    parameters: dict[str, object]
    hashes: list[bytes]


def offered(events: Sequence[EventIn], first: int) -> Offered:
    """Return events ready for a statement; the position of the first is `first`."""
    told = [payload_of(event) for event in events]
    hashes = [digest for _, _, digest in told]
    if len(events) > FEW:
        parameters = _columns(events, [one[:2] for one in told])
        if parameters is not None:
            parameters |= {"before": first - 1, "hashes": b"".join(hashes)}
            return Offered(_AS_COLUMNS, parameters, hashes)
    rows = [
        {
            "position": position, "event_id": event.event_id, "subject_kind": event.subject_kind,
            "subject": event.subject, "meter": event.meter, "time": event.time, "value": value,
            "text": event.text, "dimensions": orjson.Fragment(dimensions),
            "payload_hash": f"\\x{digest.hex()}",
        }
        for position, (event, (value, dimensions, digest)) in enumerate(
            zip(events, told, strict=True), first
        )
    ]  # fmt: skip
    return Offered(_AS_JSON, {"events": orjson.dumps(rows).decode()}, hashes)


def _columns(
    events: Sequence[EventIn], told: Sequence[tuple[str | None, str]]
) -> dict[str, object] | None:
    """Return the columns of events; None where one says what parts them."""
    columns: dict[str, list[str]] = {
        "event_ids": [event.event_id for event in events],
        "kinds": [event.subject_kind for event in events],
        "subjects": [event.subject for event in events],
        "meters": [event.meter for event in events],
        "times": [event.time.isoformat() for event in events],
        "values": [value or "" for value, _ in told],
    }
    texts = [event.text for event in events]
    if any(text is not None for text in texts):
        if _NONE in texts:
            return None
        columns["texts"] = [_NONE if text is None else text for text in texts]
    if any(event.dimensions for event in events):
        columns["dimensions"] = [dimensions for _, dimensions in told]
    joined = {name: _PART.join(column) for name, column in columns.items()}
    if any(text.count(_PART) >= len(events) for text in joined.values()):
        return None
    return {"texts": None, "dimensions": None, **joined}
