"""Usage taken in from a file: how fast, beside a plain INSERT … ON CONFLICT.

    ./kvit bench upload [--events 300000] [--accounts 2000] [--json]

Kvit's side is the import of a usage file as `kvit bill` does it: read the CSV, check every row,
hash it, store it, tell repeats and conflicts apart. Then the same file again, all of it repeats.
The peer reads the same file with the csv module and sends `INSERT … ON CONFLICT DO NOTHING` in
batches of 1 000 to a table with the same columns and indexes: it checks nothing, and cannot tell
a repeat from a conflict. Both end with the exact sum of what was stored.
"""

import argparse
import csv
from datetime import UTC, datetime
from fractions import Fraction
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from generate import events, generate
from measure import Line, Report, in_child, parser_of, tell, workplace

SEED = 1
SHARE = 0.01  # repeats, rows of a later month and unreadable ones
BATCH = 1_000
NOW = datetime(2026, 10, 31, 21, tzinfo=UTC)
COLUMNS = "id, time, subscription, meter, value"


def main() -> None:
    args = parser_of(__doc__, events=300_000, accounts=2_000).parse_args()
    if args.child == "kvit":
        take_in(args.folder)
    elif args.child == "peer":
        insert(args.folder)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    accounts, number = args.accounts, args.events
    with workplace() as place:
        folder = place / "company"
        generate(folder, subscriptions=accounts, number=number, seed=SEED, share=SHARE)
        ours = in_child("--child", "kvit", "--folder", folder)
        peer = in_child("--child", "peer", "--folder", folder)
    added = int(number * SHARE)
    again, late, bad = (len(range(place, added, 3)) for place in range(3))
    wanted = sum(Fraction(one.value) for one in events(accounts, number, SEED))
    assert Fraction(ours["sum"]) == Fraction(peer["sum"]) == wanted
    assert ours["first"] == {"accepted": number + late, "repeated": again, "rejected": bad}
    assert ours["second"] == {"accepted": 0, "repeated": number + late + again, "rejected": bad}
    report = Report(
        "upload",
        {"events": number, "repeats": again, "of a later month": late, "unreadable": bad},
        "the stored sum equals the sum in plain fractions; repeats changed nothing",
    )
    plain = Line("INSERT … ON CONFLICT DO NOTHING", peer["taken"], number, "events",
                 peer["cpu"], peer["memory_mb"])  # fmt: skip
    report.lines = [
        plain,
        Line("kvit, a file", ours["taken"], number, "events",
             ours["cpu"], ours["memory_mb"]).compared(plain),
        Line("kvit, the file again", ours["taken_again"], number, "events").compared(plain),
    ]  # fmt: skip
    report.show(as_json=args.json)


def take_in(folder: Path) -> None:
    """Import the folder's usage twice."""
    from kvit.web.cli.ground import ready

    ready()
    from django.db.models import Sum

    from kvit.adapters.folder import read_folder
    from kvit.integrations import services as integrations
    from kvit.metering.models import UsageEvent
    from kvit.platform.tenancy import tenant_scope

    read = read_folder(folder)
    tenant = integrations.ensure_tenant(read, actor="bench", now=NOW)
    with tenant_scope(tenant.id):
        integrations.apply_objects(read, take_folder=False, actor="bench", now=NOW)
        told: list[Any] = []
        for _ in range(2):
            begun = perf_counter()
            outcome = integrations.ingest_usage(read, until=NOW, actor="bench", now=NOW)
            told.append((perf_counter() - begun, outcome))
        stored = UsageEvent.objects.filter(time__lt=NOW).aggregate(n=Sum("value"))["n"]
    (first, one), (second, two) = told
    tell(taken=first, taken_again=second, sum=str(stored), first=_counts(one), second=_counts(two))


def _counts(outcome: Any) -> dict[str, int]:
    return {name: getattr(outcome, name) for name in ("accepted", "repeated", "rejected")}


def insert(folder: Path) -> None:
    """Do what one would write first."""
    import psycopg

    from kvit.platform import connection
    from kvit.platform.db.roles import OWNER_ROLE
    from kvit.web.cli.ground import database

    with (
        psycopg.connect(connection.conninfo(database(), OWNER_ROLE)) as db,
        (folder / "usage" / "october.csv").open(encoding="utf-8", newline="") as file,
    ):
        db.execute(
            "CREATE TABLE bench_usage (tenant uuid, source text, id text, time timestamptz,"
            " subscription text, meter text, value numeric, PRIMARY KEY (tenant, source, id))"
        )
        db.execute("CREATE INDEX ON bench_usage (tenant, subscription, meter, time, id)")
        db.execute("SET TIME ZONE 'Europe/Moscow'")
        db.commit()
        rows = (row for row in csv.reader(file) if "штук" not in row[4])
        next(rows)
        begun = perf_counter()
        with db.cursor() as cursor:
            while batch := list(islice(rows, BATCH)):
                cursor.executemany(
                    f"INSERT INTO bench_usage (tenant, source, {COLUMNS}) VALUES"
                    " ('00000000-0000-0000-0000-000000000001', 'october', %s, %s, %s, %s, %s)"
                    " ON CONFLICT DO NOTHING",
                    batch,
                )
                db.commit()
        taken = perf_counter() - begun
        stored = db.execute("SELECT sum(value) FROM bench_usage WHERE time < %s", [NOW]).fetchone()
        db.execute("DROP TABLE bench_usage")
    assert stored is not None
    tell(taken=taken, sum=str(stored[0]))


if __name__ == "__main__":
    main()
