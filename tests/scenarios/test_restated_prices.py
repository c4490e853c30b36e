"""A price that is stated otherwise after a month was billed: the month keeps its prices.

October, `alfa`: fee 1 000.00, 200 calls at 0.10 = 20.00. Then the folder says 0.30 a call.
"""

import pytest

from tests.scenarios.company import Company

USAGE = "id,time,subscription,meter,value\n1,2026-10-05T10:00:00,a-1,calls,200\n"
LATE = "id,time,subscription,meter,value\n2,2026-10-06T10:00:00,a-1,calls,50\n"
NOVEMBER = "id,time,subscription,meter,value\n3,2026-11-06T10:00:00,a-1,calls,10\n"


def _bill_and_restate(company: Company) -> None:
    company.write("usage/calls.csv", USAGE)
    assert company.bill().lines("alfa")["Вызовы"] == ("200", "20.00")
    company.edit("catalogue.toml", 'unit = "0.10"', 'unit = "0.30"')


@pytest.mark.parametrize("policy", ["open_period", "correction"])
def test_a_billed_month_keeps_its_prices(company: Company, policy: str) -> None:
    company.edit("company.toml", "open_period", policy)
    _bill_and_restate(company)
    again = company.bill()
    assert (again.new, again.status) == (set(), 0)
    november = company.bill("2026-11")
    assert "Перерасчёт" not in str(november.document)


def test_late_usage_of_a_billed_month_is_priced_as_the_month_was(company: Company) -> None:
    _bill_and_restate(company)
    company.write("usage/late.csv", LATE)
    company.write("usage/november.csv", NOVEMBER)
    company.bill()
    nets = [
        (line["name"], line["units"], line["net"])
        for invoice in company.bill("2026-11").document["invoices"]
        for line in invoice["lines"]
        if line["subscription"] == "a-1" and line["price"] == "calls"
    ]
    assert sorted(nets) == [
        ("Вызовы", "10", "3.00"),
        ("Перерасчёт за октябрь 2026 г.: Вызовы", "50", "5.00"),
    ]
