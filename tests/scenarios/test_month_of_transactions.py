"""A month of 300 000 transactions bills exactly once: with repeats, late and faulty rows.

The expected sums are added here by hand, in whole thousandths, from the rows as they were made.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kvit.ledger import queries as ledger
from kvit.parties import queries as parties
from kvit.platform.tenancy import tenant_scope
from kvit.web import invariants
from tests.scenarios.company import COMPANY, Company

SUBSCRIPTIONS = 60
LATE, NEXT_MONTH, REPEATS, FAULTY = 2_500, 700, 4_000, 60
OCTOBER = datetime(2026, 9, 30, 21, tzinfo=UTC)  # midnight of 1 October in Moscow
DAY = 24 * 3600 * 10**6  # microseconds
FEE = 99_000  # kopecks
# Kopecks for a whole unit: the first 100 000 at 0.02, up to 500 000 at 0.013, then 0.01.
TIERS = ((100_000, Decimal("2")), (500_000, Decimal("1.3")), (None, Decimal("1")))
CATALOGUE = """\
[[meter]]
code = "tx"
name = "Транзакции"
unit = "операция"
[[plan]]
code = "pay"
name = "Приём платежей"
[[plan.price]]
code = "fee"
name = "Плата"
price = { model = "flat", amount = "990.00" }
[[plan.price]]
code = "tx"
name = "Транзакции"
meter = "tx"
price = { model = "graduated", tiers = [
  { up_to = "100000", unit = "0.02" }, { up_to = "500000", unit = "0.013" }, { unit = "0.01" } ] }
"""
Row = tuple[str, datetime, str, int]  # id, time, subscription, thousandths


def transactions(
    chance: random.Random, prefix: str, count: int, start: datetime, days: int
) -> Iterator[Row]:
    for number in range(count):
        time = start + timedelta(microseconds=chance.randrange(days * DAY))
        # Some subscriptions use much more than others, so that all tiers are reached.
        place = int(SUBSCRIPTIONS * chance.random() ** 2)
        yield f"{prefix}{number}", time, f"s-{place}", chance.randrange(1, 600_000)


def written(rows: list[Row]) -> str:
    lines = [
        f"{name},{time.isoformat()},{code},tx,{value // 1000}.{value % 1000:03}\n"
        for name, time, code, value in rows
    ]
    return "id,time,subscription,meter,value\n" + "".join(lines)


def priced(thousandths: int) -> int:
    """What the units cost in kopecks, rounded half-up once."""
    units, cost, below = Decimal(thousandths) / 1000, Decimal(0), Decimal(0)
    for upper, price in TIERS:
        top = units if upper is None else min(units, Decimal(upper))
        cost += max(top - below, Decimal(0)) * price
        below = max(below, top)
    return int((cost + Decimal("0.5")) // 1)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [30_000, pytest.param(300_000, marks=pytest.mark.once)])
def test_a_month_of_transactions_bills_exactly_once(
    tmp_path: Path, file_store: Path, db: Any, rows: int
) -> None:
    company = Company(tmp_path / "company")
    chance = random.Random(2026)
    october = list(transactions(chance, "t", rows, OCTOBER, 31))
    late = list(transactions(chance, "late", LATE, OCTOBER, 31))
    later = list(transactions(chance, "n", NEXT_MONTH, OCTOBER + timedelta(days=31), 30))
    mixed = october + chance.sample(october, REPEATS) + later
    chance.shuffle(mixed)
    text = written(mixed)
    text += "".join(f"bad{n},2026-10-07T00:00:00,s-{n},tx,lots\n" for n in range(FAULTY))
    company.write("company.toml", COMPANY)
    company.write("catalogue.toml", CATALOGUE)
    company.write(
        "customers.csv",
        "code,name,kind\n" + "".join(f"c-{n},Клиент {n},person\n" for n in range(SUBSCRIPTIONS)),
    )
    company.write(
        "subscriptions.csv",
        "code,customer,plan,start\n"
        + "".join(f"s-{n},c-{n},pay,2026-10-01\n" for n in range(SUBSCRIPTIONS)),
    )
    company.write("usage/calls.csv", text)

    used: Counter[str] = Counter()
    for _, _, code, value in october:
        used[code] += value
    said = company.bill()
    billed = {
        line["subscription"]: line
        for one in said.document["invoices"]
        for line in one["lines"]
        if line["price"] == "tx"
    }
    assert {code: line["net"] for code, line in billed.items()} == {
        code: f"{Decimal(priced(value)) / 100:.2f}" for code, value in used.items()
    }
    assert {code: Decimal(line["units"]) for code, line in billed.items()} == {
        code: Decimal(value) / 1000 for code, value in used.items()
    }
    usage = said.answer.usage
    assert usage is not None
    assert (usage.accepted, usage.repeated, usage.rejected) == (rows + NEXT_MONTH, REPEATS, FAULTY)
    assert (len(said.faults), said.status) == (FAULTY, 3)
    check_the_books(said.document["invoices"], date(2026, 10, 31))

    company.write("usage/late.csv", written(late))
    november = company.bill("2026-11")
    usage = november.answer.usage
    assert usage is not None
    assert (usage.accepted, usage.repeated) == (LATE, rows + NEXT_MONTH + REPEATS)
    for _, _, code, value in late:
        used[code] += value
    next_month: Counter[str] = Counter()
    for _, _, code, value in later:
        next_month[code] += value
    net: defaultdict[str, int] = defaultdict(int)
    for document in (said.document, november.document):
        for one in document["invoices"]:
            for line in one["lines"]:
                net[line["subscription"]] += int(Decimal(line["net"]) * 100)
    assert dict(net) == {
        code: 2 * FEE + priced(used[code]) + priced(next_month[code])
        for code in (f"s-{n}" for n in range(SUBSCRIPTIONS))
    }
    check_the_books(said.document["invoices"] + november.document["invoices"], date(2026, 11, 30))
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    report = invariants.verify_tenant(tenant, sample=5, seed="", progress=lambda a, b: None)
    assert report.broken == []
    assert report.usage["billed"] == rows + NEXT_MONTH + LATE
    assert (report.usage["waiting"], report.usage["open"]) == (0, 0)


def check_the_books(invoices: list[dict[str, str]], on: date) -> None:
    """The customers owe what the invoices ask for, to the kopeck."""
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    with tenant_scope(tenant.id):
        (seller,) = parties.sellers().values()
        owed = ledger.receivables_by_customer(seller.id, on=on)
    asked = sum(int(Decimal(one["total"]) * 100) for one in invoices)
    assert sum(one.balance_minor for one in owed) == asked
