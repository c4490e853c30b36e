"""Events that leave the database: what stays of them, how fast they go and come back, and what
asking of them costs before and after.

    ./kvit bench release [--events 300000] [--accounts 2000] [--rounds 5] [--json]

A file of usage is imported, sealed, let go and brought back. Each question is asked of the rows and
then of the segments that are read instead, the median of the rounds; every answer must be the same.
"""

import argparse
import gc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from generate import generate
from measure import Line, Report, in_child, parser_of, tell, workplace

NOW = datetime(2026, 10, 31, 21, tzinfo=UTC)
OCTOBER = datetime(2026, 9, 30, 21, tzinfo=UTC)
FAR = NOW + timedelta(days=999)
TABLES = ("usageevent", "releasedevent")


def main() -> None:
    args = parser_of(__doc__, events=300_000, accounts=2_000, rounds=5).parse_args()
    if args.child:
        move(args.folder, args.rounds)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    with workplace() as place:
        folder = place / "company"
        generate(folder, subscriptions=args.accounts, number=args.events)
        told = in_child("--child", "kvit", "--folder", folder, "--rounds", args.rounds)
    count = told["count"]
    report = Report(
        "release",
        {"events": count, "accounts": args.accounts},
        "every answer is the same of rows, of segments, and of rows that have come back",
    )
    report.lines = [
        Line(name, told[key], count, "events")
        for name, key in (
            ("sealed", "seal"), ("let go, hashes compared", "leave"), ("brought back", "back"),
        )
    ]  # fmt: skip
    report.notes = {
        "bytes an event in PostgreSQL": f"{told['kept_bytes'] / count:.0f} as rows,"
        f" {told['left_bytes'] / count:.0f} of those that left",
        "bytes an event of a seal": f"{told['sealed_bytes'] / count:.1f}",
        **{
            f"{name}, ms": f"{told['rows'][name]:.1f} of rows, {told['segments'][name]:.1f} of"
            " segments"
            for name in told["rows"]
        },
    }
    report.show(as_json=args.json)


def move(folder: Path, rounds: int) -> None:
    """Import, seal, let go, bring back; ask before and after."""
    from kvit.web.cli.ground import ready

    ready()
    from kvit.adapters.folder import read_folder
    from kvit.integrations import services as integrations
    from kvit.metering import queries, services
    from kvit.platform import files
    from kvit.platform.tenancy import tenant_scope

    who: dict[str, Any] = {"actor": "bench", "now": NOW}
    read = read_folder(folder)
    tenant = integrations.ensure_tenant(read, **who)
    with tenant_scope(tenant.id):
        integrations.apply_objects(read, take_folder=False, **who)
        integrations.ingest_usage(read, until=NOW, **who)
        figures: dict[str, Any] = {"count": queries.counts().accepted}
        asked = questions()
        rows, figures["rows"] = answers(asked, rounds)
        figures["kept_bytes"] = sizes()["usageevent"]
        figures["seal"] = timed(lambda: services.seal(now=NOW))
        figures["sealed_bytes"] = sum(
            files.path_of(one).stat().st_size for one in queries.segment_digests()
        )
        settled = queries.Settled(FAR, FAR)
        figures["leave"] = timed(lambda: services.release(settled, **who))
        figures["left_bytes"] = sizes()["releasedevent"]
        segments, figures["segments"] = answers(asked, rounds)
        figures["back"] = timed(lambda: services.bring_back(since=OCTOBER, **who))
        assert rows == segments == answers(asked, 1)[0]
        tell(**figures)


def questions() -> dict[str, Callable[[], Any]]:
    from kvit.metering import queries

    some = queries.distinct_keys()
    subject, meter = some[len(some) // 2].subject, some[len(some) // 2].meter
    event = queries.events(queries.EventFilter(subject=subject), order="-time").rows[0]
    days = {"zone": "Europe/Moscow", "since": OCTOBER, "until": NOW}
    wanted = queries.EventFilter
    return {
        "the first page": lambda: queries.events(wanted()),
        "a page of a meter": lambda: queries.events(wanted(meter=meter)),
        "a page of a subscription": lambda: queries.events(wanted(subject=subject), order="-time"),
        "an event's card": lambda: queries.event(event.source, event.event_id),
        "a subscription's days": lambda: queries.days_of(
            [("subscription", subject)], zone="Europe/Moscow", before=NOW, days=5
        ),
        "a meter's days": lambda: queries.by_day(meter, subject=None, **days),
        "all keys": queries.distinct_keys,
    }


def answers(
    asked: Mapping[str, Callable[[], Any]], rounds: int
) -> tuple[list[Any], dict[str, float]]:
    """Return the answers, and the median of how many milliseconds each took."""
    gc.collect()
    found = [ask() for ask in asked.values()]
    times = {name: median(timed(ask) for _ in range(rounds)) * 1_000 for name, ask in asked.items()}
    return found, times


def timed(act: Callable[[], Any]) -> float:
    begun = perf_counter()
    act()
    return perf_counter() - begun


def sizes() -> dict[str, int]:
    """Return the bytes of the tables of events, with their indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_total_relation_size('metering_' || name) FROM unnest(%s::text[]) name",
            [list(TABLES)],
        )
        return dict(cursor.fetchall())


if __name__ == "__main__":
    main()
