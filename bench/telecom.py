"""Call records charged by prefix, hour and increment: a month's batch, and one call online.

    ./kvit bench telecom [--events 1000000] [--accounts N] [--rounds 3] [--json]

12 000 prefixes of one to seven digits in 400 groups; peak hours 60/1 with a connection fee, others
6/6; a zone that moves its clocks in the month. Kvit's batch is what a bill run does with calls:
columns (start, seconds, number as text) to accounts' totals, once more from sealed segments by
the writer of `metering` and `rating`'s columns. The limit is DuckDB adding up the same columns of a
Parquet file in one thread; the peer is the loop that one would write first: a dictionary of
prefixes, local time, whole numbers. It knows nothing of Kvit, and its totals are compared; so are
the evaluator's, call by call, and the calls that were charged online.
"""

import argparse
import gc
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import islice
from pathlib import Path
from time import perf_counter, perf_counter_ns, process_time
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measure import Line, Report, in_child, memory_mb, parser_of

SEED = 1
PER_ACCOUNT = 100  # calls of an account, unless --accounts says otherwise
CHUNK = 2_000  # accounts, as in a bill run
FILE = 1_000_000  # calls of a segment
LOOP = 50_000  # calls of the plain loop
ONLINE = 50_000  # calls charged one at a time
SAMPLE = 1_000  # calls compared with the evaluator
ZONE = "Europe/Berlin"
BEGIN = datetime(2026, 9, 30, 22, tzinfo=UTC)  # October as Berlin has it
END = datetime(2026, 10, 31, 23, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PREFIXES, GROUPS = 12_000, 400
OTHER_HOURS = [([1, 2, 3, 4, 5], "00:00", "08:00"), ([1, 2, 3, 4, 5], "20:00", "24:00"),
               ([6, 7], "00:00", "24:00")]  # fmt: skip
PEAK_STEPS = [{"after": "0", "step": "60"}, {"after": "60", "step": "1"}]


def main() -> None:
    args = parser_of(__doc__, events=1_000_000, rounds=3).parse_args()
    args.accounts = args.accounts or max(args.events // PER_ACCOUNT, 1)
    if args.child:
        sides = {
            "write": write, "scan": scan, "columns": batch, "segments": sealed, "loop": loop,
            "online": online,
        }  # fmt: skip
        sides[args.child](args)
        return
    with tempfile.TemporaryDirectory(prefix="kvit-bench-") as folder:
        words = ["--events", args.events, "--accounts", args.accounts, "--folder", folder]
        in_child("--child", "write", *words)
        rounds: dict[str, list[Any]] = defaultdict(list)
        for _ in range(args.rounds):  # in alternation: whatever else runs disturbs all
            for side in ("scan", "columns", "segments", "loop", "online"):
                rounds[side].append(in_child("--child", side, *words))
    show(args, {name: min(many, key=lambda one: one["taken"]) for name, many in rounds.items()})


def show(args: argparse.Namespace, best: dict[str, Any]) -> None:
    assert best["columns"]["total"] == best["segments"]["total"]
    scanned, batched, segments, slow, asked = (
        Line(text, best[name]["taken"], best[name]["calls"], "calls", best[name]["cpu"],
             best[name]["memory_mb"])
        for name, text in (
            ("scan", "DuckDB, a scan of the columns"), ("columns", "kvit, columns to totals"),
            ("segments", "kvit, sealed segments to totals"),
            ("loop", "a loop of whole numbers"), ("online", "kvit, a call at a time"),
        )
    )  # fmt: skip
    compared = best["columns"]["compared"], best["loop"]["accounts"], best["online"]["calls"]
    report = Report(
        "telecom",
        {"calls": args.events, "accounts": args.accounts, "ranges": best["columns"]["ranges"]},
        "{} calls equal the evaluator's, {} accounts the loop's, {} online the batch's".format(
            *compared
        ),
    )
    report.lines = [
        scanned, slow, batched.compared(slow), segments.compared(slow), asked.compared(slow),
    ]  # fmt: skip
    report.notes = {
        f"calls a second of one core, {name}": f"{one.count / max(one.cpu_s, 1e-9):,.0f}"
        for name, one in (("columns to totals", batched), ("segments to totals", segments))
    }
    report.notes |= {
        "time of kvit / scan": round(batched.seconds / scanned.seconds, 2),
        "online": {name: best["online"][name] for name in ("p50_us", "p99_us")},
        "the evaluator, a call": f"{best['columns']['evaluator_us']:.0f} µs",
        "tariff laid out": f"{best['columns']['laid_s'] * 1000:.0f} ms",
        "total": best["columns"]["total"],
    }
    report.show(as_json=args.json)


# --- what is sold, and what was called --------------------------------------------------------


def groups() -> list[list[str]]:
    """Return the prefixes of each group; every first digit is one, so that each number has one."""
    dice = np.random.default_rng(SEED)
    found = {str(first) for first in range(10)}
    while len(found) < PREFIXES:
        digits = int(dice.integers(2, 8))
        found.add(str(int(dice.integers(10 ** (digits - 1), 10**digits))))
    parts: list[list[str]] = [[] for _ in range(GROUPS)]
    for place, prefix in enumerate(sorted(found)):
        parts[place % GROUPS].append(prefix)
    return parts


def rates_of(group: int) -> tuple[int, int]:
    """Return hundredths of a rouble a minute: in peak hours, and else."""
    return 120 + group % 97, 40 + group % 31


def document() -> dict[str, Any]:
    def bands(group: int) -> Iterator[dict[str, Any]]:
        peak, other = (f"{rate // 100}.{rate % 100:02}" for rate in rates_of(group))
        yield {"days": [1, 2, 3, 4, 5], "from": "08:00", "to": "20:00", "rate": peak, "per": "60",
               "connect_fee": "0.50", "steps": PEAK_STEPS}  # fmt: skip
        for days, begin, end in OTHER_HOURS:
            yield {"days": days, "from": begin, "to": end, "rate": other, "per": "60",
                   "steps": [{"after": "0", "step": "6"}]}  # fmt: skip

    rates = [
        {"name": f"g{group}", "prefixes": prefixes, "bands": list(bands(group))}
        for group, prefixes in enumerate(groups())
    ]
    return {"model": "destination", "rates": rates}


def calls_of(first: int, accounts: int, per_account: int) -> dict[str, Any]:
    """Return calls of some accounts, sorted as a segment is; they start at µs since 1970."""
    dice = np.random.default_rng(SEED + first)
    rows = accounts * per_account
    begin, end = ((one - EPOCH) // timedelta(microseconds=1) for one in (BEGIN, END))
    owner = np.repeat(np.arange(first, first + accounts), per_account)
    start = dice.integers(begin, end, rows)
    order = np.lexsort((start, owner))
    digits = np.array([11, 11, 11, 10, 12, 13])[dice.integers(0, 6, rows)]
    numbers = dice.integers(10 ** (digits - 1), 10**digits)
    return {
        "owner": owner,
        "start": start[order],
        "seconds": np.minimum(dice.exponential(150, rows).astype(np.int64) + 1, 14_400),
        "number": pa.array(numbers).cast(pa.string()),
    }


def parts_of(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Give the calls of a chunk of accounts after the other."""
    per_account = args.events // args.accounts
    for first in range(0, args.accounts, CHUNK):
        yield calls_of(first, min(CHUNK, args.accounts - first), per_account)


def first_of(args: argparse.Namespace, calls: int) -> dict[str, Any]:
    """Return the first so many calls."""
    return {name: column[:calls] for name, column in next(parts_of(args)).items()}


def write(args: argparse.Namespace) -> None:
    """Write the columns as Parquet for the scan, and the same calls as sealed segments."""
    from kvit.metering._segments import cut
    from kvit.metering._segments import write as seal

    django(args)
    manifest = []
    parts = parts_of(args)
    while many := list(islice(parts, max(FILE * args.accounts // args.events // CHUNK, 1))):
        tables = [pa.table({name: pa.array(one) for name, one in part.items()}) for part in many]
        found = pa.concat_tables(tables).combine_chunks()
        owners = found["owner"].to_numpy()
        first, last = int(owners[0]), int(owners[-1]) + 1
        pq.write_table(found, args.folder / f"{first:09}.parquet")
        written = seal(cut(sealed_rows(found)), 1)
        manifest.append((written.events_digest, written.index_digest, first, last))
    (args.folder / "manifest").write_text(json.dumps(manifest))
    print(json.dumps({}))


def sealed_rows(found: pa.Table) -> pa.Table:
    rows, owner = len(found), found["owner"].to_numpy()
    owners = np.unique(owner)
    codes = pa.array([code_of(n) for n in owners])
    texts = pc.binary_join_element_wise('{"destination":"', found["number"], '"}', "")
    return pa.table(
        {
            "kind": pa.array(["subscription"] * rows),
            "subject": codes.take(pa.array(np.searchsorted(owners, owner))),
            "meter": pa.array(["calls"] * rows),
            "time": found["start"],
            "value": found["seconds"],
            "wide": pa.nulls(rows, pa.string()),
            "text": pa.nulls(rows, pa.string()),
            "dimensions": texts,
            "event_id": pa.array(np.arange(rows)).cast(pa.string()),
            "event": pa.array(np.arange(rows)),
            "source": pa.repeat("meter", rows),
            "revision": pa.repeat(0, rows),
            "version": pa.repeat(1, rows),
            "position": pa.array(np.arange(1, rows + 1)),
        }
    )


def code_of(account: int) -> str:
    return f"a{account:08}"


def django(args: argparse.Namespace) -> None:
    """Let the contexts be imported; no database is asked."""
    import os

    import django

    from kvit.platform import files

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvit.web.settings")
    django.setup()
    files.use(args.folder / "files")


# --- the sides --------------------------------------------------------------------------------


def tell(calls: int, taken: float, cpu: float, **figures: object) -> None:
    told = {"calls": calls, "taken": taken, "cpu": cpu, **figures, "memory_mb": memory_mb()}
    print(json.dumps(told))


def scan(args: argparse.Namespace) -> None:
    """Add up the columns that rating decodes, in one thread."""
    paths = [str(path) for path in sorted(Path(args.folder).glob("*.parquet"))]
    db = duckdb.connect()
    db.execute("SET threads = 1")
    query = "SELECT sum(owner), sum(start), sum(seconds), max(number) FROM read_parquet(?)"
    db.execute(query, [paths[:1]]).fetchall()  # a first call is dearer, here and there
    begun, cpu = perf_counter(), process_time()
    db.execute(query, [paths]).fetchall()
    tell(args.events, perf_counter() - begun, process_time() - cpu)


def batch(args: argparse.Namespace) -> None:
    """Charge chunks of accounts from columns in memory; making them is not timed."""
    from kvit.core.columnar import ready
    from kvit.core.columnar.dialled import Dialled, Wall, charge_dialled
    from kvit.core.columnar.digits import keys_of, with_room
    from kvit.core.columnar.runs import Runs
    from kvit.core.pricing import parse_price
    from kvit.core.pricing.price import compile_price

    compiled = compile_price(parse_price(document()))
    begun = perf_counter()
    price = ready(compiled)
    laid = perf_counter() - begun
    per_account, total, taken, spent = args.events // args.accounts, 0, 0.0, 0.0
    for found in parts_of(args):
        count = len(found["owner"]) // per_account
        runs = Runs(np.arange(count) * per_account, len(found["owner"]))
        places = np.arange(count)
        begun, cpu = perf_counter(), process_time()
        _, offsets, data = found["number"].buffers()
        edges = np.frombuffer(offsets, np.int32)[: len(found["number"]) + 1].astype(np.int64)
        whole = with_room(np.frombuffer(data, np.uint8), 0, int(edges[-1]))
        keys = keys_of(whole, edges[:-1], edges[1:])
        dialled = Dialled(
            found["start"], found["seconds"] * 10**6, keys, [], runs, places, Wall(ZONE)
        )
        _, sums, odd = charge_dialled([price], np.zeros(count, np.int64), dialled)
        minor = sums.rounded(100)
        taken, spent = taken + perf_counter() - begun, spent + process_time() - cpu
        assert not odd.any()
        total += int(minor.sum())
    compared, each = check(args, price)
    assert price.tariff is not None
    ranges = len(price.tariff.prefixes.bounds)
    tell(args.events, taken, spent, total=total, laid_s=laid, compared=compared,
         evaluator_us=each, ranges=ranges)  # fmt: skip


def check(args: argparse.Namespace, price: Any) -> tuple[int, float]:
    """Charge a sample by the evaluator, call by call; return how many are equal, and µs a call."""
    from kvit.core.columnar.sessions import Calls, charge_calls
    from kvit.core.pricing import Quantity, Session, evaluate, parse_price

    found = first_of(args, SAMPLE)
    count, numbers = len(found["owner"]), found["number"].to_pylist()
    starts, lasting = found["start"], found["seconds"] * 10**6
    routes = np.array([price.tariff.prefixes.of_text(one) for one in numbers])
    line = price.tariff.line(ZONE, int(starts.min()), int(starts.max()) + 1)
    charged = charge_calls(price.tariff, Calls(starts, lasting, routes), line)
    plain, zone = parse_price(document()), ZoneInfo(ZONE)
    begun = perf_counter()
    for place in range(count):
        start = EPOCH + timedelta(microseconds=int(starts[place]))
        seconds = int(found["seconds"][place])
        session = Session(start.astimezone(zone), seconds, numbers[place])
        told = evaluate(plain, Quantity(sessions=(session,)))
        assert told.exact == Fraction(int(charged.num[place]), charged.den), place
    return count, (perf_counter() - begun) / count * 1e6


def sealed(args: argparse.Namespace) -> None:
    """Read, charge and round as a bill run does, from sealed segments, in one thread."""
    django(args)
    from kvit.core.columnar import ready
    from kvit.core.pricing.price import compile_price
    from kvit.metering._ranges import ranges_of
    from kvit.metering._segments import Segment
    from kvit.rating._plain import Group, Member
    from kvit.rating._side_by_side import priced

    shape, catalogue = company()
    [charge] = shape.charges
    ready(compile_price(charge.stretch.price))  # laid out before the clock starts, as on all sides
    key = uuid4()
    manifest = json.loads((args.folder / "manifest").read_text())
    Segment(*manifest[0][:2], 1).first_of("subscription")  # a first call imports what it needs
    gc.collect()
    gc.freeze()  # what was imported is not walked through again
    total, taken, spent = 0, 0.0, 0.0
    for events, index, first, last in manifest:
        # Who they are comes from the database in a bill run: not timed here.
        people = [Member(key, code_of(n), key, "c", {}) for n in range(first, last)]
        begun, cpu = perf_counter(), process_time()
        segment = Segment(events, index, 1)
        codes = [one.code for one in people]
        ranges = ranges_of([segment], "subscription", codes, np.zeros(0, np.int64))
        for sheet, _ in priced(Group(shape, people), ranges, catalogue, threads=1):
            assert not sheet.left.any()
            [column] = sheet.columns
            total += int(column.minor.sum())
        taken, spent = taken + perf_counter() - begun, spent + process_time() - cpu
    tell(args.events, taken, spent, total=total)


def company() -> tuple[Any, Any]:
    """Return the shape of all accounts, and the catalogue."""
    from kvit.core.catalogue import Meter, PlanTerms, PriceTerms, build
    from kvit.core.columnar.plain import pattern
    from kvit.core.periods import Period
    from kvit.core.pricing import parse_price
    from kvit.core.schedule import Contract, service_periods
    from kvit.core.terms import Spell, Terms
    from kvit.rating._plain import Shape

    catalogue = build(
        meters=[Meter("calls", "Calls", "s", "sum", dimensions=("destination",))],
        plans=[PlanTerms("voice", "Voice")],
        prices=[PriceTerms("voice", "calls", "Calls", parse_price(document()), meter="calls")],
        calendars={},
        revision=1,
    )
    start = datetime(2026, 1, 1, tzinfo=UTC)
    contract = Contract("c", "c", ZONE, "RUB", (Spell(start, None, Terms("voice", "c")),))
    window = Period(date(2026, 10, 1), date(2026, 11, 1))
    [service] = [one for one in service_periods(contract, catalogue, window) if one.start == BEGIN]
    whens = frozenset({"arrears"})
    charges = pattern(contract, service, catalogue, whens, frozenset())
    assert charges is not None
    return Shape(contract, service, whens, charges), catalogue


def loop(args: argparse.Namespace) -> None:
    """The first thing one writes; its accounts are then compared with Kvit's."""
    per_account = args.events // args.accounts
    accounts = min(max(LOOP // per_account, 1), args.accounts, CHUNK)
    found = first_of(args, accounts * per_account)
    rows = list(
        zip(*(found[name].tolist() for name in ("owner", "start", "seconds")),
            found["number"].to_pylist(), strict=True)
    )  # fmt: skip
    of_prefix = {one: rates_of(group) for group, many in enumerate(groups()) for one in many}
    longest, zone = max(map(len, of_prefix)), ZoneInfo(ZONE)
    begun, cpu = perf_counter(), process_time()
    sums: dict[int, int] = defaultdict(int)  # roubles × 6 000
    for owner, start, seconds, number in rows:
        for length in range(longest, 0, -1):
            if rates := of_prefix.get(number[:length]):
                break
        assert rates
        sums[owner] += walked(start, seconds, rates, zone)
    total = sum((2 * one + 60) // 120 for one in sums.values())
    taken, spent = perf_counter() - begun, process_time() - cpu
    assert total == ours_of(found, accounts, per_account)
    tell(len(rows), taken, spent, accounts=accounts)


def walked(start: int, seconds: int, rates: tuple[int, int], zone: ZoneInfo) -> int:
    """Return what a call costs in roubles × 6 000."""
    second = 10**6
    at = cost = 0  # `at`, and all below, in µs
    while at < seconds * second:
        local = (EPOCH + timedelta(microseconds=start + at)).astimezone(zone)
        is_peak = local.isoweekday() < 6 and 8 <= local.hour < 20
        border = 20 if is_peak else 8 if local.hour < 8 else 24
        passed = ((local.hour * 60 + local.minute) * 60 + local.second) * second + local.microsecond
        limit = min(seconds * second, at + border * 3600 * second - passed)
        step = 6 * second
        if is_peak:
            cost += 0 if at else 50 * 60
            step = 60 * second if at < 60 * second else second
            limit = min(limit, 60 * second) if at < 60 * second else limit
        spent = -(-(limit - at) // step) * step
        cost += spent // second * rates[0 if is_peak else 1]
        at += spent
    return cost


def ours_of(found: dict[str, Any], accounts: int, per_account: int) -> int:
    """Return Kvit's total of the first accounts."""
    from kvit.core.columnar import ready
    from kvit.core.columnar.sessions import Calls, charge_calls
    from kvit.core.columnar.tables import Sums
    from kvit.core.pricing import parse_price
    from kvit.core.pricing.price import compile_price

    tariff = ready(compile_price(parse_price(document()))).tariff
    assert tariff is not None
    starts, lasting = found["start"], found["seconds"] * 10**6
    routes = np.array([tariff.prefixes.of_text(one) for one in found["number"].to_pylist()])
    line = tariff.line(ZONE, int(starts.min()), int(starts.max()) + 1)
    num = charge_calls(tariff, Calls(starts, lasting, routes), line).num
    sums = np.add.reduceat(num, np.arange(accounts) * per_account)
    return int(Sums(sums, np.full(accounts, tariff.den)).rounded(100).sum())


def online(args: argparse.Namespace) -> None:
    """Charge calls one at a time with prepared tables, each timed by itself."""
    from kvit.core.columnar import ready
    from kvit.core.columnar.online import Online
    from kvit.core.columnar.sessions import Calls, charge_calls
    from kvit.core.pricing import parse_price
    from kvit.core.pricing.price import compile_price

    tariff = ready(compile_price(parse_price(document()))).tariff
    assert tariff is not None
    found = first_of(args, ONLINE)
    starts, lasting = found["start"], found["seconds"] * 10**6
    line = tariff.line(ZONE, int(starts.min()), int(starts.max()) + 1)
    rows = list(zip(starts.tolist(), lasting.tolist(), found["number"].to_pylist(), strict=True))
    charge: Callable[..., Any] = Online(tariff, line).charge
    times, told = [], []
    cpu = process_time()
    for start, lasts, number in rows:
        begun = perf_counter_ns()
        one = charge(start, lasts, number)
        times.append(perf_counter_ns() - begun)
        told.append(one.num)
    spent = process_time() - cpu
    routes = np.array([tariff.prefixes.of_text(number) for _, _, number in rows])
    assert told == charge_calls(tariff, Calls(starts, lasting, routes), line).num.tolist()
    times.sort()
    tell(len(rows), sum(times) / 1e9, spent, p50_us=times[len(times) // 2] / 1000,
         p99_us=times[len(times) * 99 // 100] / 1000)  # fmt: skip


if __name__ == "__main__":
    main()
