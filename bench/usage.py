"""What `bench rating` sells and what was used of it: the same seed gives the same events.

Twenty meters, six prices, a price of its own for a fifth of the accounts; events of a million rows
at a time, sealed by the writer of `metering` as they are made, so that memory does not grow with
their number.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from time import perf_counter
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from measure import tell

SEED = 1
PART = 1_000_000  # events of a segment, about, and of one throw of the dice
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


def per_account(args: argparse.Namespace) -> int:
    return int(args.events // args.accounts)


def step(args: argparse.Namespace) -> int:
    """Return the accounts of a segment; the seed of its events is the first of them."""
    return max(PART // per_account(args), 1)


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
            "source": pa.repeat("meter", rows),
            "revision": pa.repeat(0, rows),
            "version": pa.repeat(1, rows),
            "position": pa.array(np.arange(1, rows + 1)),
        }
    )


def write(args: argparse.Namespace) -> None:
    """Seal the events, a segment a million rows; the names of the files go to `manifest`."""
    from kvit.metering._segments import cut, write
    from kvit.platform import files

    files.use(args.folder / "files")
    begun, many = perf_counter(), step(args)

    def seal(first: int) -> tuple[str, str, int, int]:
        last = min(first + many, args.accounts)
        written = write(cut(table_of(columns(first, last - first, per_account(args)))), 1000)
        return written.events_digest, written.index_digest, first, last

    with ThreadPoolExecutor(args.threads) as hands:
        manifest = list(hands.map(seal, range(0, args.accounts, many)))
    size = sum(path.stat().st_size for path in (args.folder / "files").rglob("*") if path.is_file())
    told = {"taken": perf_counter() - begun, "bytes": size}
    (args.folder / "manifest").write_text(json.dumps({"segments": manifest, **told}))
    tell(**told)


def manifest(args: argparse.Namespace) -> list[tuple[str, str, int, int]]:
    """Return of each segment the digests of its files, and whose it is."""
    from kvit.platform import files

    files.use(args.folder / "files")
    return json.loads((args.folder / "manifest").read_text())["segments"]


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
            own = {"m00": own_price(n)} if n % 5 == 0 else {}
            yield Member(key, f"a{n:08}", key, "c", own)

    return Shape(contract, service, whens, charges), catalogue, lambda a, b: list(members(a, b))


def own_price(account: int) -> bytes:
    unit = str(account % 20_000 + 1).zfill(5)
    tiers = [{"up_to": "50", "unit": "0.4"}, {"unit": f"0.0{unit}"}]
    return json.dumps({"model": "graduated", "tiers": tiers}).encode()
