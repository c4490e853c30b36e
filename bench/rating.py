"""Sealed usage rated to invoice totals: how fast, beside a bare scan and a Decimal loop.

    ./kvit bench rating [--events 1000000] [--accounts N] [--rounds 3] [--json]

Kvit's side is what a bill run does with sealed segments, without its database: segments written by
the writer of `metering`, read by its reader, aggregated and priced by `rating`'s columns, summed
per account. Twenty meters (sum, count, maximum, unique), graduated, volume, package, percentage,
matrix and per-unit prices, and a graduated price of its own for a fifth of the accounts. The limit
is DuckDB reading the same columns of the same files in one thread and only adding them up. The
loop is what one would write first: a dictionary of Decimals. Lines of a sample of accounts are
compared with the evaluator, one by one.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa
from measure import Line, Report, in_child, memory_mb, parser_of, tell

SEED = 1
PER_ACCOUNT = 100  # events of an account, unless --accounts says otherwise
CHUNK = 2_000  # accounts, as in a bill run
SAMPLE = 300  # accounts compared line by line
LOOP = 100_000  # events of the Decimal loop
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
    ("sum", {"model": "per_unit", "unit": "0.00015"}),
    ("count", {"model": "graduated", "tiers": TIERS}),
)
METERS = [(f"m{n:02}", *KINDS[n % len(KINDS)]) for n in range(20)]


def main() -> None:
    args = parser_of(__doc__, events=1_000_000, rounds=3).parse_args()
    args.accounts = args.accounts or max(args.events // PER_ACCOUNT, 1)
    if args.child:
        django()
        {"write": write, "kvit": ours, "scan": scan, "loop": loop}[args.child](args)
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
        for _ in range(args.rounds):  # in alternation: whatever else runs disturbs both
            rounds["scan"].append(in_child("--child", "scan", *words))
            rounds["kvit"].append(in_child("--child", "kvit", *words))
        naive = in_child("--child", "loop", *words)
    best = {name: min(many, key=lambda one: one["taken"]) for name, many in rounds.items()}
    assert len({one["total"] for one in rounds["kvit"]}) == 1
    report = Report(
        "rating",
        {"events": args.events, "accounts": args.accounts, "lines": best["kvit"]["lines"]},
        f"{best['kvit']['compared']} lines of a sample equal the evaluator's",
    )
    bare, kvit = (
        Line(text, best[name]["taken"], args.events, "events", best[name]["cpu"],
             best[name]["memory_mb"])
        for name, text in (("scan", "DuckDB, a scan of the columns"), ("kvit", "kvit, to totals"))
    )  # fmt: skip
    slow = Line("a loop of Decimals", naive["taken"], naive["events"], "events", naive["cpu"],
                naive["memory_mb"])  # fmt: skip
    report.lines = [bare, slow.compared(bare), kvit.compared(slow)]
    report.notes = {
        "kvit / scan": round(kvit.seconds / bare.seconds, 2),
        "CPU of kvit / scan": round(kvit.cpu_s / max(bare.cpu_s, 0.001), 2),
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


# --- the three sides --------------------------------------------------------------------------


def scan(args: argparse.Namespace) -> None:
    """Add up the columns that rating decodes, in one thread."""
    from kvit.platform import files

    files.use(args.folder / "files")
    paths = [
        str(files.path_of(row[0])) for row in json.loads((args.folder / "manifest").read_text())
    ]
    db = duckdb.connect()
    db.execute("SET threads = 1")
    begun, cpu = perf_counter(), process_time()
    db.execute(
        "SELECT sum(value), count(wide), max(text), max(dimensions) FROM read_parquet(?)", [paths]
    ).fetchall()
    tell_measured(taken=perf_counter() - begun, cpu=process_time() - cpu)


def tell_measured(**figures: object) -> None:
    """Tell the work's own processor seconds, without the start of the process."""
    print(json.dumps({**figures, "memory_mb": memory_mb()}))


def ours(args: argparse.Namespace) -> None:
    from kvit.metering._columns import of_segment
    from kvit.metering._sealed import Asked
    from kvit.metering._segments import Segment
    from kvit.platform import files
    from kvit.rating._columns import reads_of, sheet_of
    from kvit.rating._own import own_prices

    files.use(args.folder / "files")
    shape, catalogue, members = company()
    nothing = np.zeros(0, np.int64)
    reads = reads_of(shape.charges, catalogue)
    total = lines = 0
    sample = set(random.Random(SEED).sample(range(args.accounts), min(SAMPLE, args.accounts)))
    kept: dict[int, list[int]] = {}
    # Who they are and their own prices come from the database in a bill run: not timed here.
    known = {start: members(start, min(start + CHUNK, last))
             for _, _, first, last in json.loads((args.folder / "manifest").read_text())
             for start in range(first, last, CHUNK)}  # fmt: skip
    begun, cpu = perf_counter(), process_time()
    for events, index, first, last in json.loads((args.folder / "manifest").read_text()):
        segment = Segment(events, index, 1000)
        for start in range(first, last, CHUNK):
            some = known[start]
            codes = [one.code for one in some]
            asked = Asked("subscription", codes, shape.service.start, shape.service.end, None)
            usage = of_segment(segment, asked, nothing, reads)
            owns, odd = own_prices(shape, some)
            sheet = sheet_of(shape.charges, codes, usage, catalogue, "RUB", owns)
            assert not (sheet.left | odd).any()
            for column in sheet.columns:
                total += int(column.minor.sum())
                lines += len(column.minor)
            for account in sample & set(range(start, start + len(some))):
                place = account - start
                kept[account] = [int(column.minor[place]) for column in sheet.columns]
    taken, spent = perf_counter() - begun, process_time() - cpu
    compared = check(args, shape, catalogue, members, kept)
    tell_measured(taken=taken, cpu=spent, lines=lines, total=total, compared=compared)


def check(
    args: argparse.Namespace,
    shape: Any,
    catalogue: Any,
    members: Callable[[int, int], Sequence[Any]],
    kept: dict[int, list[int]],
) -> int:
    """Rate the sample one by one with the evaluator; return how many lines were compared."""
    from dataclasses import replace

    from kvit.core.charges import rate
    from kvit.core.measured import Measured, event
    from kvit.core.terms import Spell

    per_account, compared = args.events // args.accounts, 0
    step = max(1_000_000 // per_account, 1)
    wanted: dict[int, list[int]] = defaultdict(list)
    for account in kept:
        wanted[account // step].append(account)
    for part, accounts in wanted.items():
        first = part * step
        found = columns(first, min(step, args.accounts - first), per_account)
        for account in accounts:
            rows = np.flatnonzero(found["owner"] == account)
            events: dict[str, list[Any]] = defaultdict(list)
            for n in rows:
                name, kind, price = METERS[found["meter"][n]]
                at = BEGIN + timedelta(microseconds=int(found["time"][n]))
                value = None if kind == "unique" else Decimal(int(found["value"][n])).scaleb(-3)
                text = f"user-{found['text'][n]}" if kind == "unique" else None
                region = ("eu", "us", "asia")[found["region"][n]]
                dimensions = {"region": region} if price is MATRIX else {}
                events[name].append(event(at, str(n).zfill(9), value, text, dimensions))
            [own] = members(account, account + 1)
            [spell] = shape.contract.spells
            overrides = {code: json.loads(document) for code, document in own.own.items()}
            terms = replace(spell.terms, overrides=overrides)
            contract = replace(shape.contract, spells=(Spell(spell.start, None, terms),))
            rated = rate(contract, shape.service, catalogue, Measured(events), whens=shape.whens)
            assert [one.amount_minor for one in rated.charges] == kept[account], account
            compared += len(rated.charges)
    return compared


def loop(args: argparse.Namespace) -> None:
    """The first thing one writes: events into a dictionary of Decimals, then a price a line."""
    per_account = args.events // args.accounts
    accounts = min(max(LOOP // per_account, 1), args.accounts)
    found = columns(0, accounts, per_account)
    rows = list(zip(*(found[k].tolist() for k in ("owner", "meter", "value", "text", "region")),
                    strict=True))  # fmt: skip
    cent = Decimal("0.01")
    begun, cpu = perf_counter(), process_time()
    sums: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    counts: dict[tuple[int, int], int] = defaultdict(int)
    seen: dict[tuple[int, int], set[int]] = defaultdict(set)
    cells: dict[tuple[int, int, bool], Decimal] = defaultdict(Decimal)
    for owner, meter, thousandths, text, region in rows:
        kind, key = METERS[meter][1], (owner, meter)
        value = Decimal(thousandths) / 1000
        counts[key] += 1
        if kind == "sum":
            sums[key] += value
            if METERS[meter][2] is MATRIX:
                cells[owner, meter, region == 0] += value
        elif kind == "max":
            sums[key] = max(sums[key], value)
        elif kind == "unique":
            seen[key].add(text)
    total = Decimal(0)
    for owner in range(accounts):
        for meter, (_, kind, price) in enumerate(METERS):
            key = owner, meter
            units = sums[key]
            if kind == "count":
                units = Decimal(counts[key])
            elif kind == "unique":
                units = Decimal(len(seen[key]))
            if price is MATRIX:
                sum_ = graduated(cells[owner, meter, True])
                sum_ += cells[owner, meter, False] * Decimal("0.07")
            else:
                sum_ = priced(price, units, counts[key])
            total += sum_.quantize(cent, ROUND_HALF_UP)
    tell_measured(
        taken=perf_counter() - begun, cpu=process_time() - cpu, events=len(rows), total=str(total)
    )


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
