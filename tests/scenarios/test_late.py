"""Late usage, earlier months, events at a period's borders, the clock."""

from decimal import Decimal

import pytest

from tests.scenarios.company import Company, Said

LATE = "l1,2026-10-20T12:00:00,a-1,calls,400\n"  # 40.00 net


def nets(said: Said, customer: str = "alfa") -> Decimal:
    return sum(
        (Decimal(one["net"]) for one in said.document["invoices"] if one["customer"] == customer),
        Decimal(0),
    )


def test_late_usage_joins_the_open_period(company: Company) -> None:
    company.bill()
    company.append("usage/calls.csv", LATE)
    october = company.bill()
    assert (october.new, october.document["put_off"], october.status) == (set(), 1, 0)
    assert nets(october) == Decimal("1300.00")
    november = company.bill("2026-11")
    assert november.lines("alfa")["Перерасчёт за октябрь 2026 г.: Вызовы"] == ("400", "40.00")
    assert nets(november) == Decimal("1040.00")
    assert nets(company.bill("2026-10")) == Decimal("1300.00")
    assert nets(company.bill("2026-12")) == Decimal("1000.00")


def test_late_usage_corrects_the_original_where_the_policy_says_so(company: Company) -> None:
    company.edit("company.toml", 'late_events = "open_period"', 'late_events = "correction"')
    company.bill()
    company.append("usage/calls.csv", LATE)
    again = company.bill()
    kinds = {one["kind"]: one["net"] for one in again.document["invoices"] if one["new"]}
    assert kinds == {"debit_note": "40.00"}
    assert nets(again) == Decimal("1340.00")
    assert nets(company.bill("2026-11")) == Decimal("1000.00")


def test_usage_is_late_only_once(company: Company) -> None:
    company.bill()
    company.append("usage/calls.csv", LATE)
    company.bill("2026-11")
    again = company.bill("2026-11")
    assert (again.new, nets(again)) == (set(), Decimal("1040.00"))
    assert nets(company.bill("2026-12")) == Decimal("1000.00")


def test_usage_of_an_unbilled_month_is_not_late(company: Company) -> None:
    company.append("usage/calls.csv", "n1,2026-11-20T12:00:00,a-1,calls,100\n")
    october = company.bill()
    assert (october.status, october.waiting, nets(october)) == (0, 0, Decimal("1300.00"))
    november = company.bill("2026-11")
    assert november.lines("alfa") == {"Плата": ("1", "1000.00"), "Вызовы": ("100", "10.00")}


def test_earlier_months_are_left_to_runs_of_their_own_and_mentioned(company: Company) -> None:
    company.edit("subscriptions.csv", "a-1,alfa,pro,2026-10-01", "a-1,alfa,pro,2026-08-10")
    october = company.bill()
    assert nets(october) == Decimal("1300.00")
    assert october.document["earlier"] == [
        {"period": "2026-08", "subscriptions": 1},
        {"period": "2026-09", "subscriptions": 1},
    ]
    assert nets(company.bill("2026-09")) == Decimal("1000.00")
    assert company.bill().document["earlier"] == [{"period": "2026-08", "subscriptions": 1}]
    assert nets(company.bill("2026-08")) == Decimal("709.68")  # 22 days of 31
    assert company.bill().document["earlier"] == []


@pytest.mark.parametrize(
    ("time", "month"),
    [
        ("2026-10-31T23:59:59.999999+03:00", "2026-10"),
        ("2026-11-01T00:00:00+03:00", "2026-11"),
        ("2026-11-01T00:00:00", "2026-11"),  # without a zone: the customer's
        ("2026-10-31T20:59:59.999999Z", "2026-10"),
        ("2026-10-31T21:00:00Z", "2026-11"),
    ],
)
def test_a_border_belongs_to_the_period_that_it_begins(
    company: Company, time: str, month: str
) -> None:
    company.append("usage/calls.csv", f"x1,{time},a-1,calls,100\n")
    october, november = company.bill("2026-10"), company.bill("2026-11")
    assert (october.waiting, october.status) == (0, 0)
    got = {"2026-10": nets(october) - 1300, "2026-11": nets(november) - 1000}
    assert {key for key, extra in got.items() if extra == 10} == {month}
    assert sum(got.values()) == 10


def test_a_customer_in_another_zone_has_borders_of_its_own(company: Company) -> None:
    """Midnight of Vladivostok comes seven hours before Moscow's."""
    company.append("usage/calls.csv", "x1,2026-10-31T16:59:59Z,b-1,calls,100\n")
    company.append("usage/calls.csv", "x2,2026-10-31T14:00:00Z,b-1,calls,1000\n")
    company.append("usage/calls.csv", "x3,2026-10-31T13:59:59.999999Z,b-1,calls,10\n")
    october, november = company.bill("2026-10"), company.bill("2026-11")
    assert october.lines("beta")["Вызовы"] == ("80", "8.00")
    assert november.lines("beta")["Вызовы"] == ("1100", "110.00")


def test_a_service_that_ends_at_the_last_midnight_is_billed_in_that_month(
    company: Company,
) -> None:
    company.write("changes.csv", "subscription,at,change\na-1,2026-11-01,cancel\n")
    assert nets(company.bill("2026-10")) == Decimal("1300.00")
    assert nets(company.bill("2026-11")) == 0


def test_a_backdated_cancel_gives_back_what_was_billed(company: Company) -> None:
    company.bill()
    company.bill("2026-11")
    company.write("changes.csv", "subscription,at,change\na-1,2026-11-16,cancel\n")
    december = company.bill("2026-12")
    kinds = {one["customer"]: (one["kind"], one["net"]) for one in december.document["invoices"]}
    assert kinds["alfa"] == ("credit_note", "-500.00")
    assert kinds["beta"] == ("invoice", "1000.00")


def test_a_clock_within_the_period_bills_what_is_over_by_then(company: Company) -> None:
    early = company.bill(now="2026-10-15T12:00:00")
    assert (early.totals, early.status) == ({}, 0)
    whole = company.bill(now="2026-11-02T09:00:00")
    assert whole.totals == {"alfa": "1586.00", "beta": "1228.54"}
    issued = {one.issued_on.isoformat() for one in whole.answer.issued if one.issued_on}
    assert issued == {"2026-11-02"}


def test_the_folder_of_another_company_is_refused(company: Company) -> None:
    from kvit.web.billing import OtherCompany

    with pytest.raises(OtherCompany):
        company.bill(tenant="somebody")


def test_what_was_changed_elsewhere_is_shown_and_not_overwritten(company: Company) -> None:
    from dataclasses import replace
    from datetime import UTC, datetime

    from kvit.parties import queries as parties
    from kvit.parties import services
    from kvit.platform.tenancy import tenant_scope

    company.bill()
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    with tenant_scope(tenant.id):
        row = parties.customers()["alfa"].row
        moment = datetime(2026, 11, 3, tzinfo=UTC)
        services.apply_customers(
            [replace(row, email="new@alfa.example")], actor="user:1", now=moment, reason="call"
        )
    company.edit("customers.csv", "alfa,ООО «Альфа»", "alfa,ООО «Альфа и братья»")
    said = company.bill("2026-11")
    assert ("changed_elsewhere", "customers.csv", 2) in said.faults
    with tenant_scope(tenant.id):
        assert parties.customers()["alfa"].row.email == "new@alfa.example"
    taken = company.bill("2026-11", take_folder=True)
    assert taken.faults == []
    with tenant_scope(tenant.id):
        assert parties.customers()["alfa"].row.name == "ООО «Альфа и братья»"
