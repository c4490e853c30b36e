"""Whatever is charged can be opened: a company with all there is, three months, and each charge
computed again from its pins is what was charged."""

import random

import pytest

from kvit.parties import queries as parties
from kvit.platform.tenancy import tenant_scope
from kvit.rating import queries as rating
from kvit.rating.explain import explain
from kvit.rating.slowly import gross_slowly
from tests.scenarios.company import COMPANY, Company

CATALOGUE = """\
[[meter]]
code = "calls"
name = "Вызовы"
dimensions = ["region"]
[[meter]]
code = "gb"
name = "Гигабайты"
aggregation = "time_weighted"
[[meter]]
code = "people"
name = "Люди"
aggregation = "unique"
[[meter]]
code = "peak"
name = "Пик"
aggregation = "max"
[[meter]]
code = "water"
name = "Вода"
aggregation = "difference"
[[meter]]
code = "payments"
name = "Платежи"
[[meter]]
code = "talk"
name = "Разговоры"
dimensions = ["destination"]

[[plan]]
code = "all"
name = "Всё сразу"
trial = "5 days"
commitment = "3000"
[[plan.price]]
code = "join"
name = "Подключение"
when = "once"
price = { model = "flat", amount = "150.00" }
[[plan.price]]
code = "fee"
name = "Плата"
price = { model = "per_unit", unit = "333.33" }
[[plan.price]]
code = "fee"
name = "Плата"
effective = "2026-11-10"
price = { model = "per_unit", unit = "401.07" }
[[plan.price]]
code = "calls"
name = "Вызовы"
meter = "calls"
group_by = ["region"]
price = { model = "graduated", tiers = [ { up_to = "50", unit = "1.003" }, { unit = "0.7" } ] }
[[plan.price]]
code = "north"
name = "Север"
meter = "calls"
filter = { region = ["north"] }
price = { model = "package", size = "7", amount = "1.11" }
[[plan.price]]
code = "gb"
name = "Хранение"
meter = "gb"
price = { model = "volume", tiers = [ { up_to = "10", unit = "3.1" }, { unit = "2.9" } ] }
[[plan.price]]
code = "people"
name = "Люди"
meter = "people"
price = { model = "stairstep", tiers = [ { up_to = "3", amount = "30" }, { amount = "55.5" } ] }
[[plan.price]]
code = "payments"
name = "Приём"
meter = "payments"
price = { model = "percentage", rate = "2.9", fixed = "0.3", free_events = "2" }
[[plan.price]]
code = "talk"
name = "Связь"
meter = "talk"
price = { model = "destination", rates = [
  { prefixes = ["7"], rate = "1.2", increments = "60/1" }, { prefixes = ["49"], rate = "9" } ] }

[[plan]]
code = "ahead"
name = "Вперёд"
scheme = "prepaid"
[[plan.price]]
code = "fee"
name = "Плата вперёд"
price = { model = "flat", amount = "1000.10" }
[[plan.price]]
code = "peak"
name = "Пик"
meter = "peak"
price = { model="allowance", included="10", carry_periods=1, price={model="per_unit", unit="3"} }

[[plan]]
code = "balance"
name = "Аванс и остаток"
scheme = "advance_balance"
[[plan.price]]
code = "fee"
name = "Плата"
prorate = "seconds"
price = { model = "flat", amount = "777.77" }
[[plan.price]]
code = "water"
name = "Вода"
meter = "water"
price = { model = "per_unit", unit = "52.77" }

[[plan]]
code = "extra"
name = "Дополнение"
[[plan.price]]
code = "fee"
name = "Дополнительно"
price = { model = "per_unit", unit = "10.10" }

[[plan]]
code = "works"
name = "Работы"
scheme = "milestone"
[[plan.price]]
code = "stage"
name = "Этап"
when = "milestone"
price = { model = "flat", amount = "5000" }

[[discount]]
code = "sale"
name = "Распродажа"
percent = "3"
scope = "all/calls"
[[coupon]]
code = "GIFT"
name = "Подарок"
percent = "7"
periods = 2
"""
SUBSCRIPTIONS = """\
code,customer,plan,start,quantity,terms
all-1,alfa,all,2026-09-20,3,"{""discount"": {""code"": ""old"", ""fixed"": ""100.00""}}"
all-2,beta,all,2026-10-05,1,"{""calls"": {""model"": ""per_unit"", ""unit"": ""0.5""}}"
ahead-1,alfa,ahead,2026-10-01,,
balance-1,beta,balance,2026-10-07,,
works-1,alfa,works,2026-10-01,,
"""
CHANGES = """\
subscription,at,change,value,reason
all-1,2026-10-11,quantity,5,
all-1,2026-10-16,discount,15 %,
all-1,2026-10-20T12:00:00,addon,extra,
all-1,2026-11-05,coupon,GIFT,
all-1,2026-11-20,pause,,
all-1,2026-12-05,resume,,
all-2,2026-10-21,plan,ahead,
all-2,2026-11-15,transfer,alfa,
balance-1,2026-11-03,discount,"{""bonus"": ""50.00"", ""code"": ""points""}",
works-1,2026-10-22,milestone,stage,
works-1,2026-11-22,milestone,stage,
"""


def usage(chance: random.Random, month: int) -> str:
    """Rows of one month for every meter of every subscription that has it."""
    rows = ["id,time,subscription,meter,value,region,destination"]

    def row(meter: str, code: str, value: object, region: str = "", called: str = "") -> None:
        day, hour = chance.randrange(1, 29), chance.randrange(24)
        moment = f"2026-{month:02}-{day:02}T{hour:02}:{chance.randrange(60):02}:00"
        rows.append(f"e{month}-{len(rows)},{moment},{code},{meter},{value},{region},{called}")

    for code in ("all-1", "all-2"):
        for _ in range(12):
            row("calls", code, chance.randrange(1, 30), chance.choice(["north", "south", ""]))
            row("payments", code, f"{chance.randrange(1, 9000)}.{chance.randrange(100):02}")
            row("talk", code, chance.randrange(1, 400), "", chance.choice(["7495", "4930"]))
            row("people", code, f"p{chance.randrange(6)}")
        row("gb", code, f"{chance.randrange(20)}.5")
    for _ in range(3):
        row("peak", "ahead-1", chance.randrange(20))
    for place in range(3):
        row("water", "balance-1", f"{month * 10 + place}.250")
    return "\n".join(rows) + "\n"


@pytest.mark.once
@pytest.mark.parametrize("policy", ["open_period", "correction"])
def test_every_charge_can_be_opened_and_agrees(company: Company, policy: str) -> None:
    chance = random.Random(11)
    company.write("company.toml", COMPANY.replace("open_period", policy))
    company.write("catalogue.toml", CATALOGUE)
    company.write("subscriptions.csv", SUBSCRIPTIONS)
    company.write("changes.csv", "".join(CHANGES.splitlines(keepends=True)[:6]))
    company.write("usage/calls.csv", usage(chance, 9))
    for month in (9, 10, 11):
        company.write(f"usage/m{month}.csv", usage(chance, month))
        said = company.bill(f"2026-{month:02}")
        assert {code for code, _, _ in said.faults} <= {"unpriced_usage", "usage_outside"}
    # The rest is learned afterwards: backdated changes and late usage in every month.
    company.write("changes.csv", CHANGES)
    company.write("usage/late.csv", usage(chance, 10))
    company.bill("2026-12")
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    with tenant_scope(tenant.id):
        opened = {key: explain(key) for key in rating.sample(10_000, seed="")}
        slow = {key: gross_slowly(one) for key, one in opened.items()}
    assert len(opened) > 100
    wrong = {
        f"{one.pins.price_key} {one.pins.starts_at} r{one.pins.revision}": (
            one.charged_minor,
            one.computed_minor,
        )
        for one in opened.values()
        if not one.agrees
    }
    assert wrong == {}
    # The oracle is asked about all but carried allowances and destinations, and says the same.
    models = {one.computed.stretch.price.model: set() for one in opened.values() if one.computed}
    for key, one in opened.items():
        if one.computed is not None and slow[key] is not None:
            assert slow[key] == one.computed.gross, one.pins
            models[one.computed.stretch.price.model].add(key)
    assert {name for name, asked in models.items() if not asked} == {"allowance", "destination"}
