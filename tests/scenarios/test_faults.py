"""A fault holds what hangs on it, and nothing else; what it held is billed once it is mended."""

from typing import Any

import pytest
from django.db import connection

from kvit.parties import queries as parties
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import tenant_scope
from tests.scenarios.company import Company

WHOLE = {"alfa": "1586.00", "beta": "1228.54"}  # (1000 + 150 + 150) and (1000 + 7), with 22 %


def rows_of_every_table() -> dict[str, int]:
    """Count every row of the company; before it exists there is nothing of it anywhere."""
    tenant = parties.tenant_by_code("acme")
    with tenant_scope(tenant.id if tenant else uuid7()), connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = {}
        for (name,) in sorted(cursor.fetchall()):
            cursor.execute(f'SELECT count(*) FROM "{name}"')
            found[name] = cursor.fetchone()[0]
        return found


def test_a_sound_folder_is_billed_whole(company: Company) -> None:
    said = company.bill()
    assert (said.totals, said.status, said.waiting) == (WHOLE, 0, 0)
    assert said.lines("alfa") == {
        "Плата": ("1", "1000.00"), "Вызовы": ("1500", "150.00"), "Люди": ("3", "150.00")
    }  # fmt: skip


def test_billed_twice_nothing_is_new(company: Company) -> None:
    company.bill()
    before = rows_of_every_table()
    again = company.bill()
    assert (again.totals, again.new, again.status) == (WHOLE, set(), 0)
    assert again.document["unchanged"] > 4
    after = rows_of_every_table()
    # Only the run itself left a trace.
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"invoicing_billrun", "platform_eventlog", "platform_auditrow"}


def test_a_bad_price_holds_its_lines_and_nothing_else(company: Company) -> None:
    company.edit("catalogue.toml", 'unit = "0.10"', 'unit = "a lot"')
    said = company.bill()
    assert said.totals == {"alfa": "1403.00", "beta": "1220.00"}
    assert [code for code, _, _ in said.faults] == ["not_a_number"]
    assert (said.waiting, said.status) == (3, 3)  # the three rows of calls


@pytest.mark.parametrize("billed_before", [False, True])
def test_a_faulty_later_version_is_the_only_fault_that_is_told(
    company: Company, billed_before: bool
) -> None:
    """It holds the price, whose published version stands: nobody is told that there is none."""
    if billed_before:
        company.bill()
    later = CALLS_LATER.replace('"0.20"', '"a lot"')
    company.edit("catalogue.toml", LITE, later + LITE)
    company.append("usage/calls.csv", "n1,2026-11-05T12:00:00,a-1,calls,10\n")
    for month in ("2026-10", "2026-11"):
        assert [code for code, _, _ in company.bill(month).faults] == ["not_a_number"]
    company.edit("catalogue.toml", later, CALLS_LATER)
    mended = company.bill("2026-11")
    assert (mended.faults, mended.waiting, mended.status) == ([], 0, 0)
    both = company.bill()
    assert (both.faults, both.waiting, both.status) == ([], 0, 0)


def test_a_mended_price_is_billed_by_the_next_run_of_the_month(company: Company) -> None:
    company.edit("catalogue.toml", 'unit = "0.10"', 'unit = "a lot"')
    first = company.bill()
    company.edit("catalogue.toml", 'unit = "a lot"', 'unit = "0.10"')
    second = company.bill()
    assert (second.status, second.waiting, second.faults) == (0, 0, [])
    assert len(second.document["invoices"]) == len(first.document["invoices"]) + 2
    assert net_of(second) == {"alfa": "1300.00", "beta": "1007.00"}


def test_a_price_mended_in_the_next_month_is_not_lost(company: Company) -> None:
    company.edit("catalogue.toml", 'amount = "1000.00"', 'amount = "a lot"')
    assert company.bill().totals == {"alfa": "366.00", "beta": "8.54"}
    company.edit("catalogue.toml", 'amount = "a lot"', 'amount = "1000.00"')
    november = company.bill("2026-11")
    assert (november.document["earlier"], november.waiting, november.status) == ([], 0, 0)
    assert net_of(november) == {"alfa": "2000.00", "beta": "2000.00"}
    names = set(november.lines("alfa"))
    assert names == {"Плата", "Перерасчёт за октябрь 2026 г.: Плата"}


def test_a_bad_customer_holds_its_subscriptions_and_usage(company: Company) -> None:
    company.edit("customers.csv", "beta,Борис,person", "beta,Борис,alien")
    said = company.bill()
    assert said.totals == {"alfa": WHOLE["alfa"]}
    assert next((file, row) for _, file, row in said.faults) == ("customers.csv", 3)
    assert (said.waiting, said.status) == (1, 3)
    company.edit("customers.csv", "beta,Борис,alien", "beta,Борис,person")
    mended = company.bill()
    assert (mended.totals, mended.new, mended.waiting) == (WHOLE, {"beta"}, 0)


def test_a_bad_subscription_row_waits_with_its_usage(company: Company) -> None:
    company.edit("subscriptions.csv", "b-1,beta,pro,2026-10-01", "b-1,beta,pro,soon")
    said = company.bill()
    assert said.totals == {"alfa": WHOLE["alfa"]}
    assert (said.waiting, said.status) == (1, 3)


def test_a_subscription_held_after_it_was_known_keeps_its_usage_in_sight(company: Company) -> None:
    company.bill()
    company.append("usage/calls.csv", "n1,2026-11-05T12:00:00,b-1,calls,10\n")
    company.edit("subscriptions.csv", "b-1,beta,pro,2026-10-01", "b-1,beta,pro,soon")
    november = company.bill("2026-11")
    assert set(november.totals) == {"alfa"}
    assert (november.waiting, november.status) == (1, 3)


def test_usage_of_an_unknown_meter_waits_and_is_billed_once_it_is_known(company: Company) -> None:
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-1,disk,40\n")
    said = company.bill()
    assert said.totals == WHOLE
    assert said.faults == [("unknown_meter", "usage/calls.csv", 6)]
    assert (said.waiting, said.status) == (1, 3)
    company.append("catalogue.toml", "")
    company.edit("catalogue.toml", '[[meter]]\ncode = "users"', DISK + '[[meter]]\ncode = "users"')
    company.edit(
        "catalogue.toml", '[[plan]]\ncode = "lite"', DISK_PRICE + '[[plan]]\ncode = "lite"'
    )
    known = company.bill()
    assert (known.status, known.waiting, known.faults) == (0, 0, [])
    assert net_of(known)["alfa"] == "1340.00"


def test_a_meter_that_becomes_known_a_month_later_is_late_usage(company: Company) -> None:
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-1,disk,40\n")
    company.bill()
    company.edit("catalogue.toml", '[[meter]]\ncode = "users"', DISK + '[[meter]]\ncode = "users"')
    company.edit(
        "catalogue.toml", '[[plan]]\ncode = "lite"', DISK_PRICE + '[[plan]]\ncode = "lite"'
    )
    november = company.bill("2026-11")
    assert (november.status, november.waiting) == (0, 0)
    assert net_of(november)["alfa"] == "1040.00"


def test_usage_of_an_unknown_subscription_waits_until_it_is_opened(company: Company) -> None:
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-2,calls,40\n")
    said = company.bill()
    assert said.faults == [("unknown_subscription", "usage/calls.csv", 6)]
    assert (said.waiting, said.status) == (1, 3)
    company.append("subscriptions.csv", "a-2,alfa,pro,2026-10-01\n")
    opened = company.bill()
    assert (opened.status, opened.waiting) == (0, 0)
    assert net_of(opened)["alfa"] == "2304.00"


def test_usage_that_no_price_asks_for_waits_in_sight(company: Company) -> None:
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-1,spare,40\n")
    said = company.bill()
    assert said.totals == WHOLE
    assert [code for code, _, _ in said.faults] == ["unpriced_usage"]
    assert (said.waiting, said.status) == (1, 3)
    assert company.bill("2026-11").waiting == 1  # a month later as well


def test_usage_before_the_subscription_begins_waits(company: Company) -> None:
    company.append("usage/calls.csv", "x1,2026-09-08T12:00:00,a-1,calls,40\n")
    said = company.bill()
    assert (said.totals, said.waiting, said.status) == (WHOLE, 1, 3)


def test_an_unreadable_usage_row_holds_only_itself_and_comes_late(company: Company) -> None:
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-1,calls,many\n")
    said = company.bill()
    assert said.totals == WHOLE
    assert said.faults == [("bad_value", "usage/calls.csv", 6)]
    assert said.status == 3
    company.edit("usage/calls.csv", "a-1,calls,many", "a-1,calls,400")
    again = company.bill()
    assert (again.totals, again.document["put_off"]) == (WHOLE, 1)
    november = company.bill("2026-11")
    assert net_of(november)["alfa"] == "1040.00"
    assert november.status == 0


def test_the_same_id_with_other_content_is_a_conflict(company: Company) -> None:
    company.bill()
    company.edit("usage/calls.csv", "a-1,calls,1000", "a-1,calls,9000")
    said = company.bill()
    assert said.faults == [("usage_conflict", "usage/calls.csv", 2)]
    assert (said.totals, said.new, said.status) == (WHOLE, set(), 3)


def test_strict_bills_nothing_while_a_fault_stands(company: Company) -> None:
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-1,calls,many\n")
    before = rows_of_every_table()
    said = company.bill(strict=True)
    assert (said.totals, said.status) == ({}, 2)
    assert rows_of_every_table() == before
    company.edit("usage/calls.csv", "a-1,calls,many", "a-1,calls,0")
    mended = company.bill(strict=True)
    assert (mended.totals, mended.status) == (WHOLE, 0)


def test_strict_shows_what_was_billed_before_the_fault(company: Company) -> None:
    company.bill()
    company.append("customers.csv", "gamma,ООО «Гамма»,alien,\n")
    said = company.bill(strict=True)
    assert (said.totals, said.new, said.status) == (WHOLE, set(), 3)


def test_a_dry_run_bills_in_full_and_leaves_nothing_behind(
    company: Company, file_store: Any
) -> None:
    before = rows_of_every_table()
    said = company.bill(dry_run=True)
    assert (said.totals, said.status) == (WHOLE, 0)
    assert [one["pdf"] for one in said.document["invoices"]] == [None, None]
    assert rows_of_every_table() == before
    assert not file_store.exists()
    assert not (file_store.parent / "invoices").exists()


def test_a_dry_run_tells_all_faults_at_once(company: Company) -> None:
    company.edit("customers.csv", "beta,Борис,person", "beta,Борис,alien")
    company.edit("catalogue.toml", 'unit = "50"', 'unit = "fifty"')
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-1,calls,many\n")
    company.append("usage/calls.csv", "x2,2026-10-08T12:00:00,a-9,calls,1\n")
    said = company.bill(dry_run=True)
    told = {(file, row) for _, file, row in said.faults if file != "subscriptions.csv"}
    assert ("customers.csv", 3) in told
    assert ("usage/calls.csv", 6) in told
    assert ("usage/calls.csv", 7) in told
    assert any(file == "catalogue.toml" for file, _ in told)


def test_a_change_that_does_not_fit_holds_its_subscription_only(company: Company) -> None:
    company.write(
        "changes.csv",
        "subscription,at,change,value,reason\n"
        "b-1,2026-10-10,cancel,,\nb-1,2026-10-20,quantity,5,after the end\n",
    )
    said = company.bill()
    assert said.totals == {"alfa": WHOLE["alfa"]}
    assert ("amendment_refused", "changes.csv", 3) in said.faults
    assert said.status == 3


def test_a_folder_without_a_sound_company_bills_nothing(company: Company) -> None:
    company.edit("company.toml", 'currency = "RUB"', 'currency = "BEADS"')
    said = company.bill()
    assert (said.totals, said.status) == ({}, 2)
    assert said.faults


def test_a_seller_that_cannot_be_read_bills_nothing_and_says_so(company: Company) -> None:
    company.edit("company.toml", 'inn = "7701234560"', 'inn = "7701234561"')
    said = company.bill()
    assert (said.totals, said.status) == ({}, 2)
    assert ("company.toml") in {file for _, file, _ in said.faults}


def net_of(said: Any) -> dict[str, str]:
    """The net of all of a customer's documents together."""
    from decimal import Decimal

    sums: dict[str, Decimal] = {}
    for one in said.document["invoices"]:
        sums[one["customer"]] = sums.get(one["customer"], Decimal(0)) + Decimal(one["net"])
    return {customer: str(total) for customer, total in sums.items()}


LITE = '[[plan]]\ncode = "lite"\n'
CALLS_LATER = (
    '[[plan.price]]\ncode = "calls"\nname = "Вызовы"\nmeter = "calls"\n'
    'effective = "2026-11-01"\nprice = { model = "per_unit", unit = "0.20" }\n'
)
DISK = '[[meter]]\ncode = "disk"\nname = "Диск"\n'
DISK_PRICE = (
    '[[plan.price]]\ncode = "disk"\nname = "Диск"\nmeter = "disk"\n'
    'price = { model = "per_unit", unit = "1" }\n'
)
