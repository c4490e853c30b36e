"""A month of a company, billed from its files: how fast, beside the loop written first.

    ./kvit bench billrun [--accounts 2000] [--events 300000] [--json]
    ./kvit bench billrun --accounts 1000000 --workers 2 [--kill | --growth] [--keep DIR]
    ./kvit bench billrun --accounts 100000 --workers 1 2 [--rounds 2]

Kvit's side is `kvit bill` on a generated folder: read, import, take usage in, rate, invoice,
number, post, publish, audit; with `--print` the PDFs too. The peer bills a smaller company with as
much usage an invoice, one invoice after the other through the ORM, a transaction each: aggregates,
invoice, lines, number, postings. It reads no files, keeps no charges, events or audit rows, and
explains nothing, so the ratio flatters it. Every total is compared with `expected.py`.

With `--workers` the company is seeded by statements, and so many workers share the run (`shared`);
with `--kill` one of them is killed when a quarter is issued, and another comes. Several numbers of
workers are measured in alternation, `--rounds` times, and the best run of each counts. With
`--growth` a twentieth and a quarter of the accounts are billed before all of them, and the
twentieth once more with a kill: cost and memory by size, and totals that are the same. The last
company stays in the folder of `--keep`, to be looked at: `KVIT_DATA=DIR/data ./kvit verify`.
"""

import argparse
import math
from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any

import shared
from expected import FEE, VAT, half_up, totals
from generate import BEGIN, METERS, PERIOD, events, generate
from measure import Line, Report, Stages, in_child, parser_of, tell, workplace

SEED = 1
SHARE = 0.01  # of rows that must change nothing


def main() -> None:
    parser = parser_of(__doc__, events=300_000, accounts=2_000, rounds=1)
    parser.add_argument("--peer", type=int, default=300, help="invoices that the peer makes")
    parser.add_argument("--print", action="store_true", help="render the PDFs as well")
    parser.add_argument("--workers", type=int, nargs="+", help="processes that share the run")
    parser.add_argument("--kill", action="store_true", help="kill one of the workers")
    parser.add_argument("--growth", action="store_true", help="bill smaller sizes before")
    parser.add_argument("--keep", type=Path, help="an empty folder where the company stays")
    args = parser.parse_args()
    if args.child == "worker":
        shared.work()
    elif args.child == "shared":
        shared.bill_shared(args.folder, args.accounts, *args.workers, kill=args.kill)
    elif args.workers and not args.child:
        compare_shared(args)
    elif args.child == "kvit":
        bill(args.folder, papers=args.print)
    elif args.child == "peer":
        bill_one_by_one(args.folder)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    count, number = args.accounts, args.events
    few, fewer = args.peer, round(number * args.peer / count)
    with workplace() as place:
        generate(place / "all", subscriptions=count, number=number, seed=SEED, share=SHARE)
        generate(place / "few", subscriptions=few, number=fewer, seed=SEED, code="peer")
        words = ["--print"] if args.print else []
        ours = in_child("--child", "kvit", "--folder", place / "all", *words)
        peer = in_child("--child", "peer", "--folder", place / "few")
    for name, told, of in (("kvit", ours, (count, number)), ("peer", peer, (few, fewer))):
        wanted = totals(of[0], events(*of, SEED))
        assert told["totals"] == wanted, f"{name} bills otherwise than expected"
    report = Report(
        "billrun",
        {"invoices": count, "events": number},
        "every total equals the sum in plain fractions",
    )
    loop = Line("one invoice at a time by the ORM", peer["taken"], few, "invoices",
                peer["cpu"], peer["memory_mb"])  # fmt: skip
    seconds = ours["seconds"]
    billing = seconds["rating"] + seconds["invoicing"]
    report.lines = [
        loop,
        Line("kvit, rating and invoicing", billing, count, "invoices",
             sum(ours["billing_cpu"]), ours["memory_mb"]).compared(loop),
        Line("kvit, with files and intake", sum(seconds.values()), count, "invoices",
             ours["cpu"], ours["memory_mb"]).compared(loop),
    ]  # fmt: skip
    python, database = ours["billing_cpu"]
    report.notes["CPU of rating and invoicing"] = (
        f"{python:.2f} s here, {database:.2f} s in PostgreSQL:"
        f" {count / (python + database):,.0f} invoices a second of one core"
    )
    report.notes["seconds"] = {stage: round(taken, 2) for stage, taken in seconds.items()}
    report.show(as_json=args.json)


def compare_shared(args: argparse.Namespace) -> None:
    with workplace() as place:
        number = args.peer * len(METERS)
        generate(place / "few", subscriptions=args.peer, number=number, seed=SEED, code="peer")
        peer = in_child("--child", "peer", "--folder", place / "few")
    most = max(args.workers)
    loop = Line("one invoice at a time by the ORM", peer["taken"], args.peer, "invoices",
                peer["cpu"], peer["memory_mb"])  # fmt: skip
    report = Report(
        "billrun",
        {"invoices": args.accounts, "workers": most},
        "every total equals the sum in plain fractions, every number is there once",
        [loop],
    )
    few = args.accounts // 20
    smaller = [(few, True), (few, False), (args.accounts // 4, False)] if args.growth else []
    for accounts, kill in smaller:
        with workplace() as folder:
            _add_shared(report, most, accounts, kill, shared.measured(folder, accounts, most, kill))
    told = _in_alternation(args)
    for workers, ours in told.items():
        _add_shared(report, workers, args.accounts, args.kill, ours)
    if len(told) > 1:
        first, *_, last = told
        ratio = told[first]["taken"] / told[last]["taken"]
        report.notes[f"{last} workers beside {first}"] = f"{ratio:.2f} × as fast"
    report.show(as_json=args.json)


def _in_alternation(args: argparse.Namespace) -> dict[int, dict[str, Any]]:
    """Return, by how many workers shared it, the figures of the fastest run."""
    told: dict[int, list[dict[str, Any]]] = defaultdict(list)
    runs = args.workers * args.rounds
    for place, workers in enumerate(runs, 1):
        with workplace(args.keep if place == len(runs) else None) as folder:
            ours = shared.measured(folder, args.accounts, workers, args.kill)
        told[workers].append(ours)
    return {workers: min(many, key=lambda one: one["taken"]) for workers, many in told.items()}


def _add_shared(
    report: Report, workers: int, accounts: int, kill: bool, ours: dict[str, Any]
) -> None:
    name = f"kvit, {workers} worker" + "s" * (workers > 1)
    if accounts != report.sizes["invoices"]:
        name += f", {accounts:,} invoices"
    if kill:
        name += ", one killed"
    cpu = ours["python_cpu"] + ours["database_cpu"]
    line = Line(name, ours["taken"], accounts, "invoices", cpu, ours["worker_mb"])
    report.lines.append(line.compared(report.lines[0]))
    quarters = ", ".join(f"{one:.0f}" for one in ours["own_mb"])
    report.notes[name] = (
        f"CPU {ours['python_cpu']:.1f} s in workers, {ours['database_cpu']:.1f} s in PostgreSQL:"
        f" {accounts / cpu:,.0f} invoices a second of one core;"
        f" a worker's own memory after each quarter of the time {quarters} MB, and"
        f" {ours['most_own_mb']:.0f} at most;"
        f" {ours['backend_mb']:.0f} MB of a connection's own in PostgreSQL;"
        f" summed up in {ours['summed']:.1f} s; seeded in {ours['seeded']:.0f} s"
    )


def bill(folder: Path, *, papers: bool) -> None:
    """Bill the folder as `kvit bill` does."""
    from kvit.web.cli.ground import ready

    ready()
    from kvit.core.periods import parse_billing_period
    from kvit.web import billing
    from kvit.web.billing import BillOptions, bill_folder

    if not papers:
        billing._print = lambda *_: None  # type: ignore[assignment]
    stages = Stages()
    options = BillOptions(folder, parse_billing_period(PERIOD), "bench")
    answer = bill_folder(options, progress=stages)
    seconds = stages.seconds()
    assert answer.usage is not None
    tell(
        seconds=seconds,
        billing_cpu=stages.cpu_of("rating", "invoicing"),
        offered=answer.usage.offered,
        totals={answer.customers[one.customer_id]: one.total_minor for one in answer.issued},
    )


def bill_one_by_one(folder: Path) -> None:
    """Store the folder's usage by the ordinary import, then bill it as a plain loop does."""
    from kvit.web.cli.ground import ready

    ready()
    from kvit.adapters.folder import read_folder
    from kvit.core.periods import parse_billing_period
    from kvit.integrations import services as integrations
    from kvit.platform.tenancy import tenant_scope

    read = read_folder(folder)
    now = parse_billing_period(PERIOD).end_instant("Europe/Moscow")
    tenant = integrations.ensure_tenant(read, actor="bench", now=now)
    with tenant_scope(tenant.id):
        integrations.apply_objects(read, take_folder=False, actor="bench", now=now)
        integrations.ingest_usage(read, until=now, actor="bench", now=now)
        from kvit.parties import queries as parties
        from kvit.subscriptions import queries as subscriptions

        codes = {one.id: code for code, one in parties.customers().items()}
        [seller] = parties.sellers().values()
        begun = perf_counter()
        found = {
            codes[customer]: _invoice(code, customer, seller.id, now)
            for code, customer in subscriptions.all_codes().items()
        }
        taken = perf_counter() - begun
    tell(taken=taken, totals=found)


def _invoice(code: str, customer: Any, seller: Any, now: datetime) -> int:
    """Bill one subscription in a transaction of its own, row by row."""
    from django.db import transaction

    from kvit.invoicing.models import Invoice, InvoiceLine, NumberSeries
    from kvit.ledger.models import Posting

    end = date(2026, 11, 1)
    with transaction.atomic():
        lines = _lines(code, now)
        net = sum(one for _, _, one in lines)
        vat = half_up(net * VAT)
        invoice = Invoice.objects.create(
            seller_id=seller, customer_id=customer, currency="RUB", billed_in=BEGIN.date(),
            period_start=BEGIN.date(), period_end=end, net_minor=net, vat_minor=vat,
            total_minor=net + vat, vat_rounding="document", author="peer", created_at=now,
        )  # fmt: skip
        rest = vat
        for position, (price, units, minor) in enumerate(lines, 1):
            share = rest if position == len(lines) else vat * minor // net
            rest -= share
            InvoiceLine.objects.create(
                invoice=invoice, position=position, name=price, price_code=price, units=units,
                starts_on=BEGIN.date(), ends_on=end, gross_minor=minor, basis="net",
                vat_code="auto", vat_rate=22, net_minor=minor, vat_minor=share,
                total_minor=minor + share,
            )  # fmt: skip
        for line, (debit, credit, minor) in enumerate(
            (("62.01", "90.01", net + vat), ("90.03", "68.02", vat)), 1
        ):
            Posting.objects.create(
                seller_id=seller, debit=debit, credit=credit, customer_id=customer,
                amount_minor=minor, currency="RUB", source=f"invoice:{invoice.pk}", line=line,
                effective_on=BEGIN.date(), recorded_at=now,
            )  # fmt: skip
        NumberSeries.objects.get_or_create(seller_id=seller, key="2026")
        series = NumberSeries.objects.select_for_update().get(seller_id=seller, key="2026")
        series.last += 1
        series.save(update_fields=["last"])
        invoice.status, invoice.series, invoice.number = "issued", "2026", series.last
        invoice.issued_on, invoice.issued_at = BEGIN.date(), now
        invoice.save()
    return net + vat


def _lines(code: str, now: datetime) -> list[tuple[str, Decimal, int]]:
    """Return (price, units, kopecks), a query a meter."""
    from django.db.models import Count, Max, Sum

    from kvit.metering.models import UsageEvent

    month = UsageEvent.objects.filter(subject_kind="subscription", subject=code, time__lt=now)

    def ask(meter: str, how: Any) -> Decimal:
        return Decimal(month.filter(meter=meter).aggregate(n=how)["n"] or 0)

    calls, messages = ask("calls", Sum("value")), ask("messages", Sum("value"))
    storage, logins = ask("storage", Max("value")), ask("logins", Count("id"))
    tiers = max(Decimal(0), min(calls, Decimal(5000)) - 1000) * Decimal("0.02")
    tiers += max(Decimal(0), calls - 5000) * Decimal("0.015")
    peak = Decimal("0.5") if storage <= 100 else Decimal("0.333")
    sums = (
        ("calls", calls, tiers),
        ("messages", messages, messages * Decimal("0.0375")),
        ("storage", storage, storage * peak),
        ("logins", logins, math.ceil(logins / 10) * Decimal("3.10")),
    )
    found = [("fee", Decimal(1), FEE)]
    return found + [(name, units, half_up(Fraction(one) * 100)) for name, units, one in sums]


if __name__ == "__main__":
    main()
