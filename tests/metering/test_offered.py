"""Events come to a statement as they are, whichever way they are sent along."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from kvit.metering import _offered
from kvit.metering.rows import EventIn, payload_of

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
ODD = (
    {},
    {"text": ""},
    {"text": "a\nb\\'%s{}\t\"ё"},
    {"value": Decimal("-0.000000000001")},
    {"value": Decimal("1E+3"), "dimensions": {"zone": "ё\x1e\x1f", "": ""}},
    {"time": NOON.replace(microsecond=1, tzinfo=timezone(timedelta(hours=5, minutes=45)))},
    {"time": datetime(1970, 1, 1, tzinfo=UTC), "subject_kind": "customer"},
)


def events(*odd: dict[str, Any]) -> list[EventIn]:
    return [
        EventIn(**{
            "event_id": f"e{n}", "subject_kind": "subscription", "subject": f"s-{n}",
            "meter": "calls", "time": NOON, **one,
        })
        for n, one in enumerate(odd)
    ]  # fmt: skip


def told(given: list[EventIn], first: int = 1) -> tuple[str, list[Any]]:
    sql, parameters, hashes = _offered.offered(given, first)
    assert hashes == [payload_of(one)[2] for one in given]
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT position, event_id, subject_kind, subject, meter, "time", value, text,'
            f" dimensions::text, payload_hash FROM {sql} ORDER BY position",
            parameters,
        )
        rows = [(*row[:-1], bytes(row[-1])) for row in cursor.fetchall()]
    return ("json" if "events" in parameters else "columns"), rows


def test_few_and_many_come_alike(db: Any, tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    given = events(*ODD)
    way, few = told(given, 7)
    monkeypatch.setattr(_offered, "FEW", 0)
    assert (way, told(given, 7)) == ("json", ("columns", few))
    assert [(row[0], row[1], row[5], row[7]) for row in few] == [
        (n, one.event_id, one.time, one.text) for n, one in enumerate(given, 7)
    ]


@pytest.mark.parametrize(
    "odd", [{"event_id": "a\x1eb"}, {"meter": "\x1e"}, {"text": "\x1e"}, {"text": "\x1f"}]
)
def test_what_says_a_sign_of_control_comes_as_it_is(
    db: Any, tenant: UUID, odd: dict[str, Any]
) -> None:
    given = events(*[{}] * 20, odd)
    way, rows = told(given)
    assert (way, len(rows)) == ("json", 21)
    assert (rows[-1][1], rows[-1][4], rows[-1][7]) == (given[-1][0], given[-1][3], given[-1][6])


def test_events_of_nothing_but_an_id_come_many_at_a_time(db: Any, tenant: UUID) -> None:
    way, rows = told(events(*[{}] * 20))
    assert way == "columns"
    assert [row[1:9] for row in rows[:1]] == [
        ("e0", "subscription", "s-0", "calls", NOON, None, None, "{}")
    ]
