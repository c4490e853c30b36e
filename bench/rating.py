"""Sealed usage rated to invoice totals: how fast, beside a bare scan, SQL and a Decimal loop.

    ./kvit bench rating [--events 1000000] [--accounts N] [--rounds 3] [--json]

Kvit's side is what a bill run does with sealed segments, without its database: segments written by
the writer of `metering`, read by its reader, aggregated and priced by `rating`'s columns, summed
per account. Twenty meters (sum, count, maximum, unique, latest, weighted by time), graduated,
volume, package, percentage, matrix and per-unit prices, and a graduated price of its own for a
fifth of the accounts. The limit is DuckDB reading the same columns of the same files in one thread
and only adding them up. PostgreSQL does the same work in sets, from a table (`by_sql.py`). The loop
is what one would write first: rows of the same files, Decimals. Lines of a sample of accounts are
compared with the slow oracle, one by one.

Prices of accounts' own are laid out before the clock starts, as catalogues and tables of prices
are made before it on all sides; how long that takes is told beside.
"""

import argparse
import gc
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import Line, Report, in_child, memory_mb, parser_of, tell

SEED = 1
PER_ACCOUNT = 100  # events of an account, unless --accounts says otherwise
CHUNK = 2_000  # accounts, as in a bill run
SAMPLE = 2_000  # accounts compared line by line: 40 000 lines
LOOP = 50_000  # events of the Decimal loop
SETS = 200_000  # events that PostgreSQL is given at most
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
MONTH_US = 31 * 24 * 3600 * 10**6
TIERS = [{"up_to": "100", "unit": "0.5"}, {"up_to": "10000", "unit": "0.02"}, {"unit": "0.015"}]
MATRIX = {
    "model": "matrix",
    "prices": [{"match": {"region": "eu"}, "price": {"model": "graduated", "tiers": TIERS}}],
    "default": {"model": "per_unit", "unit": "0.07"},
}
KINDS = (
    ("sum", {"model": "graduated", "tiers": TIERS}),
    ("sum", {"model": "volume", "tiers": TIERS}),
    ("sum", {"model": "package", "size": "1000", "amount": "3.10"}),
    ("sum", {"model": "percentage", "rate": "2.9", "fixed": "0.35"}),
    ("sum", MATRIX),
    ("count", {"model": "per_unit", "unit": "0.0375"}),
    ("max", {"model": "volume", "tiers": TIERS}),
    ("unique", {"model": "package", "size": "3", "amount": "1.05"}),
    ("latest", {"model": "per_unit", "unit": "0.15"}),
    ("time_weighted", {"model": "graduated", "tiers": TIERS}),
)
METERS = [(f"m{n:02}", *KINDS[n % len(KINDS)]) for n in range(20)]


def main() -> None:
    args = parser_of(__doc__, events=1_000_000, rounds=3).parse_args()
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
    import tempfile

    with tempfile.TemporaryDirectory(prefix="kvit-bench-") as folder:
        words = ["--events", args.events, "--accounts", args.accounts, "--folder", folder]
        written = in_child("--child", "write", *words)
        rounds: dict[str, list[Any]] = defaultdict(list)
        for _ in range(args.rounds):  # in alternation: whatever else runs disturbs all
            for side in ("scan", "kvit", "loop"):
                rounds[side].append(in_child("--child", side, *words))
    few = min(args.events, SETS)
    sets = ["--events", few, "--accounts", max(few * args.accounts // args.events, 1)]
    rounds["sets"] = [in_child("--child", "sets", *sets)]
    best = {name: min(many, key=lambda one: one["taken"]) for name, many in rounds.items()}
    assert len({one["total"] for one in rounds["kvit"]}) == 1
    assert few < args.events or best["sets"]["total"] == best["kvit"]["total"]
    report = Report(
        "rating",
        {"events": args.events, "accounts": args.accounts, "lines": best["kvit"]["lines"]},
        f"{best['kvit']['compared']} lines of a sample equal the oracle's",
    )
    bare, kvit, slow, peer = (
        Line(text, best[name]["taken"], best[name].get("events", args.events), "events",
             best[name]["cpu"], best[name]["memory_mb"])
        for name, text in (
            ("scan", "DuckDB, a scan of the columns"), ("kvit", "kvit, to totals"),
            ("loop", "a loop of Decimals"), ("sets", "PostgreSQL, the same in sets"),
        )
    )  # fmt: skip
    report.lines = [bare, peer, slow, kvit]
    report.notes = {
        "time of kvit / scan": round(kvit.seconds / bare.seconds, 2),
        "CPU of kvit / scan": round(kvit.cpu_s / max(bare.cpu_s, 0.001), 2),
        "kvit / PostgreSQL, events a second": round(kvit.per_second / peer.per_second, 1),
        "kvit / loop, events a second": round(kvit.per_second / slow.per_second, 1),
        "own prices laid out before": f"{best['kvit']['laid_s']:.2f} s",
        "sealing": f"{written['taken']:.1f} s, {written['bytes'] / args.events:.1f} bytes an event",
        "total": best["kvit"]["total"],
    }
    report.show(as_json=args.json)


# --- what is written --------------------------------------------------------------------------


def columns(first: int, accounts: int, per_account: int) -> dict[str, Any]:
    """Events of some accounts, sorted as a segment is."""
    dice = np.random.default_rng(SEED + first)
    rows = accounts * per_account
    owner = np.repeat(np.arange(first, first + accounts), per_account)
    meter = dice.integers(0, len(METERS), rows)
    time = dice.integers(0, MONTH_US, rows)
    order = np.lexsort((time, meter, owner))
    return {
        "owner": owner[order],
        "meter": meter[order],
        "time": time[order],
        "value": dice.integers(1, 400_000, rows),  # thousandths
        "text": dice.integers(0, 8, rows),
        "region": dice.integers(0, 3, rows),
    }


def table_of(found: dict[str, Any]) -> pa.Table:
    rows = len(found["owner"])
    names = pa.array([name for name, _, _ in METERS])
    is_unique = np.array([kind == "unique" for _, kind, _ in METERS])[found["meter"]]
    is_matrix = np.array([price is MATRIX for _, _, price in METERS])[found["meter"]]
    said = pa.array([f"user-{n}" for n in range(8)])
    regions = pa.array(['{"region":"eu"}', '{"region":"us"}', '{"region":"asia"}'])
    owners = np.unique(found["owner"])
    codes = pa.array([f"a{n:08}" for n in owners])
    return pa.table(
        {
            "kind": pa.array(["subscription"] * rows),
            "subject": codes.take(pa.array(np.searchsorted(owners, found["owner"]))),
            "meter": names.take(pa.array(found["meter"])),
            "time": pa.array(found["time"] + int(BEGIN.timestamp()) * 10**6),
            "value": pa.array(found["value"], mask=is_unique),
            "wide": pa.nulls(rows, pa.string()),
            "text": said.take(pa.array(found["text"], mask=~is_unique)),
            "dimensions": regions.take(pa.array(found["region"], mask=~is_matrix)),
            "event_id": pa.array(np.arange(rows)).cast(pa.string()),
            "event": pa.array(np.arange(rows)),
        }
    )


def write(args: argparse.Namespace) -> None:
    """Seal the events, a segment a million rows; the names of the files go to `manifest`."""
    from kvit.metering._segments import cut, write
    from kvit.platform import files

    files.use(args.folder / "files")
    per_account = args.events // args.accounts
    step = max(1_000_000 // per_account, 1)
    begun, manifest = perf_counter(), []
    for first in range(0, args.accounts, step):
        table = table_of(columns(first, min(step, args.accounts - first), per_account))
        written = write(cut(table), 1000)
        last = min(first + step, args.accounts)
        manifest.append((written.events_digest, written.index_digest, first, last))
    (args.folder / "manifest").write_text(json.dumps(manifest))
    size = sum(path.stat().st_size for path in (args.folder / "files").rglob("*") if path.is_file())
    tell(taken=perf_counter() - begun, bytes=size)


# --- the sides --------------------------------------------------------------------------------


def manifest(args: argparse.Namespace) -> list[tuple[str, str, int, int]]:
    """Return of each segment the digests of its files, and whose it is."""
    from kvit.platform import files

    files.use(args.folder / "files")
    return json.loads((args.folder / "manifest").read_text())


def scan(args: argparse.Namespace) -> None:
    """Add up the columns that rating decodes, in one thread."""
    from kvit.platform import files

    paths = [str(files.path_of(row[0])) for row in manifest(args)]
    db = duckdb.connect()
    db.execute("SET threads = 1")
    columns = "sum(value), count(wide), max(text), max(dimensions), sum(time)"
    query = f"SELECT {columns} FROM read_parquet(?)"
    db.execute(query, [paths[:1]]).fetchall()  # a first call is dearer, here and there
    begun, cpu = perf_counter(), process_time()
    db.execute(query, [paths]).fetchall()
    tell_measured(taken=perf_counter() - begun, cpu=process_time() - cpu)


def tell_measured(**figures: object) -> None:
    """Tell the work's own processor seconds, without the start of the process."""
    print(json.dumps({**figures, "memory_mb": memory_mb()}))


def ours(args: argparse.Namespace) -> None:
    """Read, aggregate, price and add up, segment by segment and chunk by chunk."""
    from kvit.metering._segments import Segment
    from kvit.rating._own import own_prices

    shape, catalogue, members = company()
    laid = perf_counter()
    own_prices(shape, members(0, min(args.accounts, 100_000)))
    laid = perf_counter() - laid
    rows = manifest(args)
    rated(Segment(*rows[0][:2], 1000), shape, catalogue, members(0, min(args.accounts, CHUNK)))
    gc.collect()
    gc.freeze()  # what was imported is not walked through again
    total = lines = 0
    taken = spent = 0.0
    sample = set(random.Random(SEED).sample(range(args.accounts), min(SAMPLE, args.accounts)))
    kept: dict[int, list[int]] = {}
    for events, index, first, last in rows:
        segment = None
        for start in range(first, last, CHUNK):
            # Who they are comes from the database in a bill run: not timed here.
            some = members(start, min(start + CHUNK, last))
            begun, cpu = perf_counter(), process_time()
            segment = segment or Segment(events, index, 1000)
            sheet = rated(segment, shape, catalogue, some)
            totals = np.sum([one.minor for one in sheet.columns], axis=0)
            taken, spent = taken + perf_counter() - begun, spent + process_time() - cpu
            assert not sheet.left.any()
            total += int(totals.sum())
            lines += len(some) * len(sheet.columns)
            for account in sample & set(range(start, start + len(some))):
                kept[account] = [int(one.minor[account - start]) for one in sheet.columns]
    compared = check(args, kept)
    tell_measured(taken=taken, cpu=spent, laid_s=laid, lines=lines, total=total, compared=compared)


def rated(segment: Any, shape: Any, catalogue: Any, members: Sequence[Any]) -> Any:
    """Rate a chunk as `rating._together` does, from this segment alone."""
    from kvit.core.columnar.plain import carrying
    from kvit.metering._columns import of_segment
    from kvit.metering._sealed import Asked
    from kvit.rating._columns import reads_of, sheet_of
    from kvit.rating._counted import Levels
    from kvit.rating._due import looked_back
    from kvit.rating._own import own_prices

    codes, reads = [one.code for one in members], reads_of(shape.charges, catalogue)

    def usage(since: datetime, until: datetime, meters: Sequence[str] | None = None) -> Any:
        asked = Asked("subscription", codes, since, until, meters)
        return of_segment(segment, asked, np.zeros(0, np.int64), reads)

    start = shape.service.start
    before = usage(looked_back(start), start, carrying(shape.charges, catalogue))
    levels = Levels.of(before, shape.service, shape.contract.zone)
    owns, odd = own_prices(shape, members)
    assert not odd.any()
    now = usage(start, shape.service.end)
    return sheet_of(shape.charges, codes, now, catalogue, "RUB", owns, levels)


def check(args: argparse.Namespace, kept: dict[int, list[int]]) -> int:
    """Rate the sample with the oracle, from the definitions; return how many lines are equal."""
    per_account, compared = args.events // args.accounts, 0
    step = max(1_000_000 // per_account, 1)
    wanted: dict[int, list[int]] = defaultdict(list)
    for account in kept:
        wanted[account // step].append(account)
    for part, accounts in wanted.items():
        first = part * step
        found = columns(first, min(step, args.accounts - first), per_account)
        for account in accounts:
            place = (account - first) * per_account
            told = by_oracle(account, found, range(place, place + per_account))
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
        document = json.loads(_own(account)) if meter == 0 and account % 5 == 0 else price
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


# --- what is sold -----------------------------------------------------------------------------


def company() -> tuple[Any, Any, Callable[[int, int], Sequence[Any]]]:
    """Return the shape of all accounts, the catalogue, and what makes the accounts [a, b)."""
    from kvit.core.catalogue import Meter, PlanTerms, PriceTerms, build
    from kvit.core.columnar.plain import pattern
    from kvit.core.periods import Period
    from kvit.core.pricing import parse_price
    from kvit.core.schedule import Contract, service_periods
    from kvit.core.terms import Spell, Terms
    from kvit.rating._plain import Member, Shape

    def meter_of(name: str, kind: str, price: dict[str, Any]) -> Meter:
        return Meter(name, name, "", kind, dimensions=("region",) if price is MATRIX else ())

    catalogue = build(
        meters=[meter_of(*one) for one in METERS],
        plans=[PlanTerms("pro", "Pro")],
        prices=[
            PriceTerms("pro", name, name, parse_price(price), meter=name)
            for name, _, price in METERS
        ],
        calendars={},
        revision=1,
    )
    start = datetime(2026, 1, 1, tzinfo=UTC)
    contract = Contract("c", "c", "UTC", "RUB", (Spell(start, None, Terms("pro", "c")),))
    window = Period(date(2026, 10, 1), date(2026, 11, 1))
    service = next(s for s in service_periods(contract, catalogue, window) if s.index == 9)
    whens = frozenset({"arrears"})
    charges = pattern(contract, service, catalogue, whens, frozenset())
    assert charges is not None
    key = uuid4()

    def members(first: int, last: int) -> Iterator[Any]:
        for n in range(first, last):
            own = {"m00": _own(n)} if n % 5 == 0 else {}
            yield Member(key, f"a{n:08}", key, "c", own)

    return Shape(contract, service, whens, charges), catalogue, lambda a, b: list(members(a, b))


def _own(account: int) -> bytes:
    unit = str(account % 20_000 + 1).zfill(5)
    tiers = [{"up_to": "50", "unit": "0.4"}, {"unit": f"0.0{unit}"}]
    return json.dumps({"model": "graduated", "tiers": tiers}).encode()


if __name__ == "__main__":
    main()
