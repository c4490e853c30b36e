"""Sealed usage rated to invoice totals: how fast, beside a bare scan, SQL and a Decimal loop.

    ./kvit bench rating [--events 1000000] [--accounts N] [--rounds 3] [--keep DIR] [--json]

Kvit's side is what a bill run does with sealed segments, without its database: segments written by
the writer of `metering`, parted by its ranges, read, aggregated and priced by `rating`, summed per
account. Twenty meters (sum, count, maximum, unique, latest, weighted by time), graduated, volume,
package, percentage, matrix and per-unit prices, and a graduated price of its own for a fifth of the
accounts. The limit is DuckDB reading the same columns of the same files, of events and of the
indices that say whose they are, only adding numbers up and counting texts; both work with one
thread and with two. PostgreSQL does the same work in sets, from
a table (`by_sql.py`). The loop is what one process of a usual program does: rows of the same files,
Decimals. Lines of a sample of accounts are compared with the slow oracle, one by one, and all lines
of one thread with those of two.

Prices of accounts' own are laid out before the clock starts, as catalogues and tables of prices
are made before it on all sides; how long that takes is told beside. With `--keep` the events are
kept there, and taken from there another time.
"""

import argparse
import gc
import hashlib
import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
from measure import Line, Report, in_child, memory_mb, parser_of
from usage import (
    BEGIN,
    MATRIX,
    METERS,
    MONTH_US,
    SEED,
    TIERS,
    columns,
    company,
    manifest,
    own_price,
    per_account,
    step,
    write,
)

PER_ACCOUNT = 100  # events of an account, unless --accounts says otherwise
TOGETHER = 16  # segments that are rated at once: at the end of each time threads wait for the last
SAMPLE = 2_000  # accounts compared line by line: 40 000 lines
LOOP = 50_000  # events of the Decimal loop
SETS = 200_000  # events that PostgreSQL is given at most
THREADS = (1, 2)


def main() -> None:
    parser = parser_of(__doc__, events=1_000_000, rounds=3)
    parser.add_argument("--keep", type=Path, help="a folder whose events stay and are used again")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    args.accounts = args.accounts or max(args.events // PER_ACCOUNT, 1)
    if args.child:
        if args.child != "sets":  # that one makes a database first
            django()
        sides = {"write": write, "kvit": ours, "scan": scan, "loop": loop, "sets": in_sets}
        sides[args.child](args)
        return
    compare(args)


def django() -> None:
    """Let the contexts be imported; no database is asked."""
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvit.web.settings")
    django.setup()


def compare(args: argparse.Namespace) -> None:
    words: list[object] = ["--events", args.events, "--accounts", args.accounts]
    rounds: dict[str, list[Any]] = defaultdict(list)
    with folder_of(args) as folder:
        words += ["--folder", folder]
        if not (folder / "manifest").exists():
            in_child("--child", "write", *words, "--threads", max(THREADS))
        written = json.loads((folder / "manifest").read_text())
        compared = in_child("--child", "kvit", *words, "--check")
        for _ in range(args.rounds):  # in alternation: whatever else runs disturbs all
            for threads in THREADS:
                for side in ("scan", "kvit"):
                    told = in_child("--child", side, *words, "--threads", threads)
                    rounds[f"{side} {threads}"].append(told)
            rounds["loop"].append(in_child("--child", "loop", *words))
    few = min(args.events, SETS)
    sets = ["--events", few, "--accounts", max(few * args.accounts // args.events, 1)]
    rounds["sets"] = [in_child("--child", "sets", *sets)]
    every = [compared, *(one for threads in THREADS for one in rounds[f"kvit {threads}"])]
    assert len({one["digest"] for one in every}) == 1, "lines differ by threads"
    best = {name: min(many, key=lambda one: one["taken"]) for name, many in rounds.items()}
    assert few < args.events or best["sets"]["total"] == compared["total"]
    show(args, best, written, compared)


@contextmanager
def folder_of(args: argparse.Namespace) -> Iterator[Path]:
    """Give the folder of these events: one that is kept, or one for this time."""
    if args.keep is not None:
        kept = args.keep / f"rating-{SEED}-{args.events}-{args.accounts}"
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="kvit-bench-") as folder:
        yield Path(folder)


def show(
    args: argparse.Namespace, best: dict[str, Any], written: Any, compared: dict[str, Any]
) -> None:
    report = Report(
        "rating",
        {"events": args.events, "accounts": args.accounts, "lines": compared["lines"]},
        f"{compared['compared']} lines of a sample equal the oracle's,"
        " all lines of one thread those of two",
    )

    def line(name: str, text: str) -> Line:
        one = best[name]
        count = one.get("events", args.events)
        return Line(text, one["taken"], count, "events", one["cpu"], one["memory_mb"])

    peer, slow = line("sets", "PostgreSQL, the same in sets"), line("loop", "a loop of Decimals")
    report.lines = [peer, slow]
    for threads, named in zip(THREADS, ("1 thread", "2 threads"), strict=True):
        bare = line(f"scan {threads}", f"DuckDB, a bare scan, {named}")
        kvit = line(f"kvit {threads}", f"kvit, to totals, {named}")
        report.lines += [bare, kvit]
        report.notes |= {
            f"{named}: time of kvit / scan": round(kvit.seconds / bare.seconds, 2),
            f"{named}: CPU of kvit / scan": round(kvit.cpu_s / max(bare.cpu_s, 0.001), 2),
            f"{named}: kvit / PostgreSQL, events a second": round(
                kvit.per_second / peer.per_second, 1
            ),
            f"{named}: kvit / loop, events a second": round(kvit.per_second / slow.per_second, 1),
        }
    report.notes |= {
        "own prices laid out before": f"{compared['laid_s']:.2f} s",
        "making and sealing": f"{written['taken']:.1f} s,"
        f" {written['bytes'] / args.events:.1f} bytes an event",
        "total": compared["total"],
    }
    report.show(as_json=args.json)


# --- the sides --------------------------------------------------------------------------------


def scan(args: argparse.Namespace) -> None:
    """Add up the columns that rating decodes, in as many threads as Kvit."""
    from kvit.platform import files

    events = [str(files.path_of(row[0])) for row in manifest(args)]
    indices = [str(files.path_of(row[1])) for row in manifest(args)]
    db = duckdb.connect()
    db.execute(f"SET threads = {args.threads}")
    # Of texts the cheapest that DuckDB can do: the greatest of them takes twice as long.
    columns = "sum(value), count(wide), count(text), count(dimensions), sum(time)"
    keys = "count(subject), count(meter), sum(rows)"
    query = f"SELECT {columns} FROM read_parquet(?)", f"SELECT {keys} FROM read_parquet(?)"

    def read(some: slice) -> None:
        for one, paths in zip(query, (events, indices), strict=True):
            db.execute(one, [paths[some]]).fetchall()

    read(slice(1))  # a first call is dearer, here and there
    begun, cpu = perf_counter(), process_time()
    read(slice(None))
    tell_measured(taken=perf_counter() - begun, cpu=process_time() - cpu)


def tell_measured(**figures: object) -> None:
    """Tell the work's own processor seconds, without the start of the process."""
    print(json.dumps({**figures, "memory_mb": memory_mb()}))


def ours(args: argparse.Namespace) -> None:
    """Read, aggregate, price and add up, some segments at a time, range by range of accounts."""
    from kvit.metering._ranges import ranges_of
    from kvit.metering._segments import Segment
    from kvit.rating._own import own_prices
    from kvit.rating._plain import Group
    from kvit.rating._side_by_side import priced

    shape, catalogue, members = company()
    laid = perf_counter()
    own_prices(shape, members(0, min(args.accounts, 100_000)))
    laid = perf_counter() - laid
    rows = manifest(args)

    def rated(some: Sequence[Any], people: Sequence[Any]) -> list[Any]:
        segments = [Segment(events, index, 1000) for events, index, _, _ in some]
        codes = [one.code for one in people]
        undone = np.zeros(0, np.int64)
        ranges = ranges_of(segments, "subscription", codes, undone)
        found = []
        for sheet, _ in priced(Group(shape, people), ranges, catalogue, threads=args.threads):
            assert not sheet.left.any()
            lines = [one.minor for one in sheet.columns]
            found.append((lines, np.sum(lines, axis=0)))
        return found

    rated(rows[:1], members(0, min(args.accounts, 1_000)))  # a first call is dearer
    gc.collect()
    gc.freeze()  # what was imported is not walked through again
    total = lines = 0
    taken = spent = 0.0
    digest = hashlib.blake2b(digest_size=16)
    sample = random.Random(SEED).sample(range(args.accounts), min(SAMPLE, args.accounts))
    kept: dict[int, list[int]] = {}
    for place in range(0, len(rows), TOGETHER):
        some = rows[place : place + TOGETHER]
        first, last = some[0][2], some[-1][3]
        people = members(first, last)  # from the database in a bill run: not timed here
        begun, cpu = perf_counter(), process_time()
        found = rated(some, people)
        taken, spent = taken + perf_counter() - begun, spent + process_time() - cpu
        total += sum(int(totals.sum()) for _, totals in found)
        whole = np.concatenate([np.array(columns) for columns, _ in found], axis=1)
        lines += whole.size
        digest.update(whole.T.tobytes())
        kept |= {one: whole[:, one - first].tolist() for one in sample if first <= one < last}
    tell_measured(
        taken=taken, cpu=spent, laid_s=laid, lines=lines, total=total, digest=digest.hexdigest(),
        compared=check(args, kept) if args.check else 0,
    )  # fmt: skip


def check(args: argparse.Namespace, kept: dict[int, list[int]]) -> int:
    """Rate the sample with the oracle, from the definitions; return how many lines are equal."""
    compared, many = 0, step(args)
    wanted: dict[int, list[int]] = defaultdict(list)
    for account in kept:
        wanted[account // many].append(account)
    for part, accounts in wanted.items():
        first = part * many
        found = columns(first, min(many, args.accounts - first), per_account(args))
        for account in accounts:
            place = (account - first) * per_account(args)
            told = by_oracle(account, found, range(place, place + per_account(args)))
            assert told == kept[account], account
            compared += len(told)
    return compared


def by_oracle(account: int, found: dict[str, Any], rows: Sequence[int]) -> list[int]:
    from fractions import Fraction

    from kvit.core.oracle import price_document
    from kvit.core.usage import UsageEvent, aggregation

    used: dict[int, list[Any]] = defaultdict(list)
    regions: dict[int, list[tuple[str, Any]]] = defaultdict(list)
    for n in rows:
        meter = int(found["meter"][n])
        value: Any = Fraction(int(found["value"][n]), 1000)
        if METERS[meter][1] == "unique":
            value = f"user-{found['text'][n]}"
        else:
            regions[meter].append((("eu", "us", "asia")[found["region"][n]], value))
        at = BEGIN + timedelta(microseconds=int(found["time"][n]))
        used[meter].append(UsageEvent(at, str(n).zfill(9), value))
    told = []
    end = BEGIN + timedelta(microseconds=MONTH_US)
    for meter, (_, kind, price) in enumerate(METERS):
        document = json.loads(own_price(account)) if meter == 0 and account % 5 == 0 else price
        units = aggregation(kind).units(used[meter], start=BEGIN, end=end)
        quantity = {
            "units": str(units),
            "events": [str(value) for _, value in regions[meter]],
            "usage": [{"dimensions": {"region": region}, "units": str(value)}
                      for region, value in regions[meter]],
        }  # fmt: skip
        told.append(price_document(document, quantity).minor)
    return told


def in_sets(args: argparse.Namespace) -> None:
    """The same work as SQL in PostgreSQL: see there."""
    from by_sql import by_sql

    by_sql("postgresql", args)


def loop(args: argparse.Namespace) -> None:
    """The first thing one writes: run by run of the same files, rows as objects, Decimals."""
    from kvit.platform import files

    events, index, _, _ = manifest(args)[0]
    cent, total, done = Decimal("0.01"), Decimal(0), 0
    totals: dict[str, Decimal] = defaultdict(Decimal)
    begun, cpu = perf_counter(), process_time()
    names = ["time", "value", "text", "dimensions"]
    read = pq.ParquetFile(files.path_of(events)).iter_batches(batch_size=10_000, columns=names)
    rows = (row for batch in read for row in batch.to_pylist())
    for run in pq.read_table(files.path_of(index)).slice(0, LOOP // 4).to_pylist():
        _, kind, price = METERS[int(run["meter"][1:])]
        mine = [
            {**row, "time": BEGIN.fromtimestamp(row["time"] / 10**6, UTC),
             "value": None if row["value"] is None else Decimal(row["value"]) / 1000}
            for row in islice(rows, run["rows"])
        ]  # fmt: skip
        totals[run["subject"]] += amount(kind, price, mine).quantize(cent, ROUND_HALF_UP)
        done += len(mine)
        if done >= LOOP:
            break
    total = sum(totals.values(), total)
    tell_measured(
        taken=perf_counter() - begun, cpu=process_time() - cpu, events=done, total=str(total)
    )


def amount(kind: str, price: dict[str, Any], rows: list[dict[str, Any]]) -> Decimal:
    if price is MATRIX:
        eu = [row for row in rows if json.loads(row["dimensions"])["region"] == "eu"]
        rest = sum((row["value"] for row in rows if row not in eu), Decimal(0))
        return graduated(sum((row["value"] for row in eu), Decimal(0))) + rest * Decimal("0.07")
    return priced(price, units_of(kind, rows), len(rows))


def units_of(kind: str, rows: list[dict[str, Any]]) -> Decimal:
    match kind:
        case "count":
            return Decimal(len(rows))
        case "unique":
            return Decimal(len({row["text"] for row in rows}))
        case "max":
            return max(row["value"] for row in rows)
        case "latest":
            return rows[-1]["value"]
        case "time_weighted":
            ends = [row["time"] for row in rows[1:]]
            ends.append(BEGIN + timedelta(microseconds=MONTH_US))
            held = [
                row["value"] * Decimal((end - row["time"]).total_seconds())
                for row, end in zip(rows, ends, strict=True)
            ]
            return sum(held, Decimal(0)) / (Decimal(MONTH_US) / 10**6)
        case _:
            return sum((row["value"] for row in rows), Decimal(0))


def graduated(units: Decimal) -> Decimal:
    total, floor = Decimal(0), Decimal(0)
    for tier in TIERS:
        ceiling = units if "up_to" not in tier else min(units, Decimal(tier["up_to"]))
        if ceiling <= floor:
            break
        total += (ceiling - floor) * Decimal(tier["unit"])
        floor = ceiling
    return total


def priced(price: dict[str, Any], units: Decimal, count: int) -> Decimal:
    match price["model"]:
        case "graduated":
            return graduated(units)
        case "volume":
            tier = next(t for t in TIERS if "up_to" not in t or units <= Decimal(t["up_to"]))
            return units * Decimal(tier["unit"])
        case "package":
            return -(-units // Decimal(price["size"])) * Decimal(price["amount"])
        case "percentage":
            return units * Decimal(price["rate"]) / 100 + count * Decimal(price["fixed"])
        case _:
            return units * Decimal(price["unit"])


if __name__ == "__main__":
    main()
