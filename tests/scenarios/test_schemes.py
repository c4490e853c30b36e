"""Advance + balance, a commitment, bonus points, a coupon, a volume discount, a threshold.

alfa takes `mobile`: fee 450.00 under advance + balance, at least 1 000.00 a month, 300 minutes
included and carried for one month, 600.00 of bonus points. beta takes `cloud`: 1.00 a minute,
billed as soon as 100.00 is used, −10 % from 200 minutes, a coupon of 50.00 for one month.

    1 September    nothing: the bonus pays the fee, and an advance of nothing is not asked for
    10 September   nothing: beta used 90 − 50
    20 September   beta 100.00 = 150 − 50
    September      alfa 450 − 450, then 1 000.00 to the commitment; beta 220 − 22 − 50 − 100 = 48.00
    October        alfa 450 − 150 of bonus = 300.00, 340 minutes of 300 + 50 free, 700.00 on top
"""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from kvit.invoicing import queries as invoicing
from kvit.invoicing.jobs import look
from kvit.metering import services as metering
from kvit.metering.rows import EventIn
from kvit.parties import queries
from kvit.platform.clock import move_test_clock, now_for
from kvit.platform.tenancy import tenant_scope
from tests.scenarios.company import COMPANY, Company

MOSCOW = timezone(timedelta(hours=3))
CATALOGUE = """\
[[meter]]
code = "minutes"
name = "Минуты"
[[plan]]
code = "mobile"
name = "Мобильный"
scheme = "advance_balance"
commitment = "1000.00"
[[plan.price]]
code = "fee"
name = "Плата"
price = { model = "flat", amount = "450.00" }
[[plan.price]]
code = "minutes"
name = "Минуты"
meter = "minutes"
[plan.price.price]
model = "allowance"
included = "300"
carry_periods = 1
price = { model = "per_unit", unit = "2" }
[[plan]]
code = "cloud"
name = "Облако"
threshold = "100.00"
[[plan.price]]
code = "use"
name = "Облако"
meter = "minutes"
price = { model = "per_unit", unit = "1" }
[[discount]]
code = "volume"
name = "Объём"
percent = "10"
scope = "cloud/use"
from_units = "200"
[[coupon]]
code = "HELLO"
name = "Привет"
fixed = "50"
limit = 1
periods = 1
"""
CHANGES = """\
subscription,at,change,value,reason
b-1,2026-09-01,coupon,HELLO,
a-1,2026-09-01,discount,"{""bonus"": ""600""}",баллы
"""
USAGE = """\
id,time,subscription,meter,value
1,2026-09-05T10:00:00,a-1,minutes,250
2,2026-10-05T10:00:00,a-1,minutes,340
3,2026-09-05T10:00:00,b-1,minutes,90
4,2026-09-15T10:00:00,b-1,minutes,60
5,2026-09-25T10:00:00,b-1,minutes,70
"""
FILES = {
    "company.toml": COMPANY,
    "catalogue.toml": CATALOGUE,
    "customers.csv": "code,name,kind\nalfa,Север,company\nbeta,Борис,person\n",
    "subscriptions.csv": (
        "code,customer,plan,start\na-1,alfa,mobile,2026-09-01\nb-1,beta,cloud,2026-09-01\n"
    ),
    "changes.csv": CHANGES,
    "usage/minutes.csv": USAGE,
}


@pytest.fixture
def mixed(company: Company) -> Company:
    """The company of the worked example in place of the usual one."""
    (company.path / "usage/calls.csv").unlink()
    for file, text in FILES.items():
        company.write(file, text)
    return company


def _issued(company: Company, month: str, day: int | None = None) -> list[tuple[str, str]]:
    """Bill, by a clock on a day of September or at the month's end; (customer, net) of the new."""
    now = None if day is None else datetime(2026, 9, day, tzinfo=MOSCOW)
    said = company.bill(month, now=now)
    assert (said.faults, said.waiting) == ([], 0)
    return [(one["customer"], one["net"]) for one in said.document["invoices"] if one["new"]]


def test_a_folder_sets_up_triggers_and_a_worker_bills_by_them(mixed: Company) -> None:
    """The same threshold of beta's plan, found by the minute's look of a worker: 90 of 100.00 are
    used on the 10th, 150 on the 16th, less the coupon of 50.00."""
    trigger = '[[trigger]]\ncode = "limit"\nkind = "threshold"\n'
    mixed.write("company.toml", COMPANY + trigger)
    mixed.write("usage/minutes.csv", USAGE.split("4,", maxsplit=1)[0])
    assert _issued(mixed, "2026-09", 2) == []
    tenant = queries.tenants()[0].id
    clock(tenant, 10)
    assert work() == []
    mixed.write("usage/minutes.csv", USAGE)
    (unread,) = [row for row in USAGE.splitlines() if row.startswith("4,")]
    with tenant_scope(tenant):
        event = EventIn("4", "subscription", "b-1", "minutes",
                        datetime(2026, 9, 15, 10, tzinfo=MOSCOW), Decimal(60))  # fmt: skip
        assert unread.endswith(",b-1,minutes,60")
        metering.ingest([event], source="minutes", actor="test", now=event.time)
    clock(tenant, 16)
    assert work() == ["100.00"]
    assert work() == []
    assert _issued(mixed, "2026-09") == [("alfa", "1000.00"), ("beta", "48.00")]


def clock(tenant: UUID, day: int) -> None:
    moment = datetime(2026, 9, day, tzinfo=MOSCOW)
    move_test_clock(tenant, to=moment, actor="test", reason="test")


def work() -> list[str]:
    """Look as a worker does; return the totals of new documents."""
    tenant = queries.tenants()[0].id
    with tenant_scope(tenant):
        before = {one.id for one in invoicing.of_period(date(2026, 9, 1))}
        look.run(now=now_for(tenant))
        found = invoicing.of_period(date(2026, 9, 1))
    return [f"{one.net_minor / 100:.2f}" for one in found if one.id not in before]


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ('kind = "sometimes"', "bad_word", "trigger.kind"),
        ('kind = "schedule"', "missing_value", "trigger.day"),
        ('kind = "schedule"\nday = 31', "out_of_range", "trigger.day"),
        ('kind = "schedule"\nday = 1\ntime = "6 утра"', "bad_time", "trigger.time"),
        ('kind = "event"', "missing_value", "trigger.event"),
        ('kind = "threshold"\nunits = "5"', "missing_value", "trigger.meter"),
        ('kind = "threshold"\nunits = "5"\nmeter = "minuts"', "unknown_meter", "trigger.meter"),
        ('kind = "threshold"\nwhen = "now"', "unknown_key", "trigger.when"),
    ],
)
def test_a_faulty_trigger_is_named_and_holds_nothing_else(
    mixed: Company, said: str, code: str, field: str
) -> None:
    mixed.write("company.toml", f'{COMPANY}[[trigger]]\ncode = "x"\n{said}\n')
    answer = mixed.bill("2026-09")
    assert [(one["code"], one["field"]) for one in answer.document["faults"]] == [(code, field)]
    assert len(answer.document["invoices"]) == 2


def test_each_sum_is_billed_when_its_scheme_says(mixed: Company) -> None:
    assert _issued(mixed, "2026-09", 1) == []
    assert _issued(mixed, "2026-09", 10) == []
    assert _issued(mixed, "2026-09", 20) == [("beta", "100.00")]
    assert _issued(mixed, "2026-09", 20) == []  # the threshold is reached once
    assert _issued(mixed, "2026-09") == [("alfa", "1000.00"), ("beta", "48.00")]
    assert _issued(mixed, "2026-10") == [("alfa", "1000.00")]


def test_billed_at_the_end_alone_a_month_costs_the_same(mixed: Company) -> None:
    assert _issued(mixed, "2026-09") == [("alfa", "1000.00"), ("beta", "148.00")]
    october = mixed.bill("2026-10")
    assert october.lines("alfa") == {
        "Плата": ("1", "300.00"),
        "Минуты": ("340", "0.00"),
        "Доначисление до минимального объёма": ("1", "700.00"),
    }


def test_an_advance_is_taken_into_account_at_the_end(mixed: Company) -> None:
    mixed.write("changes.csv", "subscription,at,change,value,reason\n")
    assert _issued(mixed, "2026-09", 1) == [("alfa", "450.00")]
    said = mixed.bill("2026-09")
    assert said.totals["alfa"] == "671.00"  # 1 000.00 − 450.00 = 550.00, and VAT of 22 %
    lines = said.lines("alfa")
    assert (lines["Зачёт аванса"], lines["Плата"]) == (("1", "-450.00"), ("1", "450.00"))


def test_a_coupon_is_given_as_often_as_its_limit_says(mixed: Company) -> None:
    mixed.append("changes.csv", "a-1,2026-09-02,coupon,HELLO,\n")
    said = mixed.bill("2026-09")
    assert said.faults == [("coupon_used_up", "changes.csv", 4)]
    assert said.totals == {"beta": "180.56"}  # alfa waits for the fault
