"""Whole folders against sums worked out by hand: discounts, tiers, VAT, periods, models."""

from fractions import Fraction
from pathlib import Path

import pytest

from kvit.core.money import round_fraction
from tests.scenarios.contract import PER_UNIT, fee, folder, meter, nets, plan, price, sums

pytestmark = pytest.mark.usefixtures("db", "file_store")
TIERS = '{ model = "graduated", tiers = [ { up_to = "100", unit = "1" }, { unit = "0.5" } ] }'
DEARER = '{ model = "graduated", tiers = [ { up_to = "100", unit = "2" }, { unit = "1" } ] }'
DEARER_JSON = DEARER.replace(" = ", ": ").replace('"', '""')
for word in ("model", "tiers", "up_to", "unit"):
    DEARER_JSON = DEARER_JSON.replace(f"{word}:", f'""{word}"":')
HALVES = "a,2026-10-05,s,m,80\nb,2026-10-16,s,m,80\n"
GRADUATED = meter() + plan("p") + price("u", TIERS, "m")
TWO_PLANS = (
    meter()
    + plan("p") + fee("3100.00") + price("u", PER_UNIT, "m")
    + plan("q") + fee("6200.00") + price("u", '{ model = "per_unit", unit = "2" }', "m")
)  # fmt: skip


@pytest.mark.parametrize(
    ("catalogue", "change", "after"),
    [
        # P(160) − P(80) = 50, less 10 %
        (GRADUATED, "discount,10 %,", "45.00"),
        # a new price starts at zero: 80 × 2
        (GRADUATED, f'terms,"{{""u"": {DEARER_JSON}}}",', "160.00"),
        # a plan with the same price leaves it as it is
        (GRADUATED + plan("q") + price("u", TIERS, "m"), "plan,q,", "50.00"),
        (GRADUATED + plan("q") + price("u", DEARER, "m"), "plan,q,", "160.00"),
        # continued: P(160) − P(80) of the new = 260 − 160
        (GRADUATED + plan("q") + price("u", DEARER, "m", "continue = true"), "plan,q,", "100.00"),
    ],
)
def test_tiers_in_mid_period(tmp_path: Path, catalogue: str, change: str, after: str) -> None:
    said = folder(tmp_path, catalogue, usage=HALVES, changes=f"s,2026-10-16,{change}\n").bill()
    assert (said.faults, nets(said)) == ([], sorted([("u", "80.00"), ("u", after)]))


@pytest.mark.parametrize(
    ("scope", "lines"),
    [
        ("", [("fee", "1000.00"), ("fee", "1980.00"), ("fee", "900.00"),
              ("u", "10.00"), ("u", "18.00"), ("u", "9.00")]),
        (', ""price"": ""u""', [("fee", "2000.00"), ("fee", "2200.00"),
                                ("u", "10.00"), ("u", "18.00"), ("u", "9.00")]),
    ],
)  # fmt: skip
def test_a_discount_outlives_the_plan_and_may_be_of_one_price(
    tmp_path: Path, scope: str, lines: list[tuple[str, str]]
) -> None:
    changes = f's,2026-10-11,discount,"{{""percent"": ""10""{scope}}}",\ns,2026-10-21,plan,q,\n'
    usage = "a,2026-10-05,s,m,10\nb,2026-10-12,s,m,10\nc,2026-10-25,s,m,10\n"
    assert nets(folder(tmp_path, TWO_PLANS, changes=changes, usage=usage).bill()) == lines


def test_changes_of_one_moment_are_one_in_any_order(tmp_path: Path) -> None:
    seats = (
        plan("p") + price("f", '{ model = "per_unit", unit = "310" }')
        + plan("q") + price("f", '{ model = "per_unit", unit = "620" }')
    )  # fmt: skip
    rows = [f"s,2026-10-16,{one},\n" for one in ("plan,q", "quantity,3", "discount,10 %")]
    found = [
        nets(folder(tmp_path / str(place), seats, changes="".join(order)).bill(dry_run=True))
        for place, order in enumerate((rows, rows[::-1], rows[1:] + rows[:1]))
    ]
    # 310 × 15/31, and 3 × 620 × 16/31 less 10 %
    assert found == [[("f", "150.00"), ("f", "864.00")]] * 3


@pytest.mark.parametrize(
    ("rounding", "basis", "expected"),
    [
        ("document", "net", ("0.21", "0.05", "0.26")),  # 0.21 × 22 % = 0.0462
        ("line", "net", ("0.21", "0.06", "0.27")),  # 3 × 0.0154
        ("document", "gross", ("0.17", "0.04", "0.21")),  # 0.21 × 22/122 = 0.0379
        ("line", "gross", ("0.18", "0.03", "0.21")),  # 3 × 0.0126
    ],
)
def test_vat_is_rounded_where_the_policy_says(
    tmp_path: Path, rounding: str, basis: str, expected: tuple[str, str, str]
) -> None:
    catalogue = plan("p") + fee("0.07", "a") + fee("0.07", "b") + fee("0.07", "c")
    said = folder(tmp_path, catalogue, rounding=rounding, seller=f'price_basis = "{basis}"').bill()
    assert sums(said) == [("c", *expected)]
    for line in said.document["invoices"][0]["lines"]:
        assert Fraction(line["net"]) + Fraction(line["vat"]) == Fraction(line["total"])


@pytest.mark.parametrize(
    ("vat", "sum_of_vat"),
    [("auto", "220.00"), ("10", "100.00"), ("0", "0.00"), ("none", "0.00"),
     ("usn5", "50.00"), ("usn7", "70.00")],
)  # fmt: skip
def test_each_regime_of_vat(tmp_path: Path, vat: str, sum_of_vat: str) -> None:
    said = folder(tmp_path, plan("p") + fee("1000.00"), seller=f'vat = "{vat}"').bill()
    assert said.document["invoices"][0]["vat"] == sum_of_vat


@pytest.mark.parametrize(
    ("start", "anchor", "when", "month", "vat"),
    [
        ("2025-12-01", "calendar", "arrears", "2025-12", "200.00"),
        ("2026-01-01", "calendar", "arrears", "2026-01", "220.00"),
        # [15 December, 15 January): the rate is that of 14 January, in advance as well
        ("2025-12-15", "anniversary", "arrears", "2026-01", "220.00"),
        ("2025-12-15", "anniversary", "advance", "2025-12", "220.00"),
    ],
)
def test_the_rate_is_that_of_the_last_day_of_the_service(
    tmp_path: Path, start: str, anchor: str, when: str, month: str, vat: str
) -> None:
    catalogue = plan("p", f'anchor = "{anchor}"') + fee("1000.00", more=f'when = "{when}"')
    said = folder(tmp_path, catalogue, f"s,c,p,{start}\n").bill(month)
    assert said.document["invoices"][0]["vat"] == vat


@pytest.mark.parametrize(
    ("currency", "amount", "expected"),
    [
        ("JPY", "1001", ("1001", "220", "1221")),
        ("KWD", "10.005", ("10.005", "2.201", "12.206")),
        ("USD", "10.05", ("10.05", "2.21", "12.26")),
    ],
)
def test_sums_have_exactly_the_currency_s_digits(
    tmp_path: Path, currency: str, amount: str, expected: tuple[str, str, str]
) -> None:
    customers = f"code,name,kind,currency\nc,К,company,{currency}\n"
    said = folder(tmp_path, plan("p") + fee(amount), customers=customers).bill()
    assert sums(said) == [("c", *expected)]


CYCLES = [  # cycle, anchor, start, months, fees billed in each
    ("month", "anniversary", "2026-01-31", ["2026-02", "2026-03", "2026-04"], [1, 1, 1]),
    ("quarter", "calendar", "2026-02-15", ["2026-02", "2026-03", "2026-06"],
     [0, Fraction(45, 90), 1]),
    ("quarter", "anniversary", "2026-02-15", ["2026-03", "2026-05"], [0, 1]),
    ("half-year", "calendar", "2026-02-15", ["2026-06", "2026-12"], [Fraction(136, 181), 1]),
    ("year", "calendar", "2026-02-15", ["2026-11", "2026-12"], [0, Fraction(320, 365)]),
    ("week", "calendar", "2026-09-30", ["2026-09", "2026-10"], [0, Fraction(5, 7) + 3]),
    ("week", "anniversary", "2026-09-30", ["2026-10", "2026-11"], [4, 4]),
    ("10 days", "anniversary", "2026-10-01", ["2026-10", "2026-11"], [3, 3]),
    ("day", "calendar", "2026-10-05", ["2026-10", "2026-11"], [27, 30]),
]  # fmt: skip


@pytest.mark.parametrize(("cycle", "anchor", "start", "months", "fees"), CYCLES)
def test_each_cycle_bills_the_periods_that_end_in_the_month(
    tmp_path: Path, cycle: str, anchor: str, start: str, months: list[str],
    fees: list[int | Fraction],
) -> None:  # fmt: skip
    catalogue = plan("p", f'cycle = "{cycle}"\nanchor = "{anchor}"') + fee("700.00")
    company = folder(tmp_path, catalogue, f"s,c,p,{start}\n")
    for month, expected in zip(months, fees, strict=True):
        billed = sum(Fraction(net) for _, net in nets(company.bill(month)))
        assert billed * 100 == round_fraction(Fraction(expected) * 70000), month


MODELS = [  # price, rows of (day, value), expected
    ('{model="volume",tiers=[{up_to="100",unit="1"},{unit="0.5"}]}', ["150"], "75.00"),
    ('{model="stairstep",tiers=[{up_to="100",amount="50"},{amount="90"}]}', ["100", "1"], "90.00"),
    ('{model="package",size="10",amount="5",free_units="5"}', ["26"], "15.00"),
    ('{model="percentage",rate="2.9",fixed="0.30"}', ["50", "100"], "4.95"),
    # 50 free; of 100 the 30 above 120 at 10 % and 1; the third pays 1 and 1
    ('{model="percentage",rate="10",fixed="1",free_events=2,free_amount="120"}',
     ["50", "100", "10"], "6.00"),
    ('{model="percentage",rate="10",event_min="2",event_max="5"}', ["10", "30", "100"], "10.00"),
    ('{model="graduated_percentage",tiers=[{up_to="1000",rate="1"},{rate="2",flat="10"}]}',
     ["1500"], "30.00"),
    ('{model="blocks",mode="all",tiers=[{size="10",max_blocks=2,unit="5"},{size="100",unit="20"}]}',
     ["25"], "30.00"),
    ('{model="blocks",mode="top",tiers=[{size="10",max_blocks=2,unit="5"},{size="10",unit="4"}]}',
     ["25"], "12.00"),
    ('{model="dynamic"}', ["1.10", "2.205"], "3.31"),
    ('{model="capacity",tiers=[{amount="10",limits={m="100"}},{amount="20"}]}', ["99", "2"],
     "20.00"),
    ('{model="per_unit",unit="1",minimum="500",discount_percent="50"}', ["100"], "500.00"),
    ('{model="per_unit",unit="1",maximum="70"}', ["100"], "70.00"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "values", "net"), MODELS)
def test_each_model_over_events(tmp_path: Path, document: str, values: list[str], net: str) -> None:
    usage = "".join(f"e{n},2026-10-05T00:00:0{n},s,m,{one}\n" for n, one in enumerate(values))
    said = folder(tmp_path, meter() + plan("p") + price("u", document, "m"), usage=usage).bill()
    assert (said.faults, nets(said)) == ([], [("u", net)])


def test_events_are_taken_in_the_order_of_time_and_id(tmp_path: Path) -> None:
    catalogue = (
        meter() + plan("p") + price("u", '{model="percentage",rate="10",free_events=1}', "m")
    )
    usage = "b,2026-10-05,s,m,100\na,2026-10-05,s,m,10\nz,2026-10-04,s,m,1000\n"
    assert nets(folder(tmp_path, catalogue, usage=usage).bill()) == [("u", "11.00")]


AGGREGATIONS = [
    ("count", ["", ""], "2.00"), ("max", ["3", "9", "2"], "9.00"),
    ("latest", ["3", "9", "2"], "2.00"), ("unique", ["ann", "bob", "ann"], "2.00"),
    ("difference", ["100", "150", "160"], "60.00"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "net"), AGGREGATIONS)
def test_each_aggregation(tmp_path: Path, kind: str, values: list[str], net: str) -> None:
    usage = "".join(f"e{n},2026-10-0{n + 1},s,m,{one}\n" for n, one in enumerate(values))
    catalogue = meter(aggregation=kind) + plan("p") + price("u", PER_UNIT, "m")
    assert nets(folder(tmp_path, catalogue, usage=usage).bill()) == [("u", net)]


def test_holidays_of_the_built_in_calendar(tmp_path: Path) -> None:
    bands = (
        '{model="banded",bands=[{days=[1,2,3,4,5,6,7],from="00:00",to="24:00",unit="6"},'
        '{days=["holiday"],from="00:00",to="24:00",unit="3"}]}'
    )
    catalogue = meter() + plan("p", 'calendar = "ru"') + price("u", bands, "m")
    usage = "a,2026-11-04T10:00,s,m,1\nb,2026-11-03T23:59:59,s,m,1\nc,2026-11-05,s,m,10\n"
    company = folder(tmp_path, catalogue, "s,c,p,2026-11-01\n", usage=usage)
    assert nets(company.bill("2026-11")) == [("u", "69.00")]  # 3 + 6 + 60


def test_an_event_at_the_border_belongs_to_the_next_period(tmp_path: Path) -> None:
    usage = (
        "a,2026-10-31T23:59:59.999999,s,m,1\nb,2026-11-01T00:00:00,s,m,10\n"
        "c,2026-10-01T00:00:00,s,m,100\nd,2026-10-31T21:00:00Z,s,m,1000\n"
        "e,2026-10-31T20:59:59Z,s,m,5\n"
    )
    company = folder(tmp_path, meter() + plan("p") + price("u", PER_UNIT, "m"), usage=usage)
    october = company.bill()
    assert (nets(october), october.status, october.waiting) == ([("u", "106.00")], 0, 0)
    assert nets(company.bill("2026-11")) == [("u", "1010.00")]


@pytest.mark.parametrize("policy", ["open_period", "correction"])
def test_late_usage_costs_what_it_would_have_in_time(tmp_path: Path, policy: str) -> None:
    company = folder(tmp_path, GRADUATED, usage="a,2026-10-05,s,m,90\n", late=policy)
    company.bill()
    company.append("usage/u.csv", "b,2026-10-06,s,m,20\nn,2026-11-05,s,m,10\n")
    said = company.bill("2026-11")
    late = ("c", "15.00", "3.30", "18.30")  # P(110) − P(90)
    if policy == "open_period":
        assert sums(said) == [("c", "25.00", "5.50", "30.50")]
    else:
        assert sums(said) == [late, ("c", "10.00", "2.20", "12.20")]
        assert [one["kind"] for one in said.document["invoices"]] == ["debit_note", "invoice"]
    assert company.bill("2026-11").new == set()


def test_seconds_run_on_elapsed_time_when_the_clocks_change(tmp_path: Path) -> None:
    customers = "code,name,kind,zone\nc,K,company,America/New_York\n"
    catalogue = plan("p") + fee("721.00", more='prorate = "seconds"')  # 721 hours in November
    changes = "s,2026-11-16T12:00,cancel,,\n"
    company = folder(
        tmp_path, catalogue, "s,c,p,2026-11-01\n", customers=customers, changes=changes
    )
    assert nets(company.bill("2026-11")) == [("fee", "373.00")]  # 15 days, 12 hours and one more


def test_invoices_part_by_seller_currency_and_service(tmp_path: Path) -> None:
    catalogue = (
        plan("p", 'service = "saas"') + fee("100.00")
        + plan("q", 'service = "telecom"') + fee("50.00")
        + plan("r", 'seller = "b"') + fee("7.00")
    )  # fmt: skip
    lists = "x,c,p,2026-10-01\ny,c,q,2026-10-01\nz,c,r,2026-10-01\nw,d,p,2026-10-01\n"
    customers = "code,name,kind,currency,payer\nc,К,company,,\nd,Д,company,USD,c\n"
    other = 'split = "service"\n[[seller]]\ncode = "b"\nname = "ИП Б"\nvat = "none"\n'
    said = folder(tmp_path, catalogue, lists, customers=customers, seller=other).bill()
    assert sorted((one["currency"], one["total"]) for one in said.document["invoices"]) == [
        ("RUB", "122.00"), ("RUB", "61.00"), ("RUB", "7.00"), ("USD", "122.00"),
    ]  # fmt: skip
    assert {one["customer"] for one in said.document["invoices"]} == {"c"}


def test_a_milestone_is_billed_when_it_is_reached_and_bears_its_day(tmp_path: Path) -> None:
    due = 'when = "milestone"'
    catalogue = (
        plan("p", 'scheme = "milestone"') + fee("1000.00", "m1", due) + fee("500.00", "m2", due)
    )
    changes = "s,2026-10-20,milestone,m1,\ns,2026-11-03,milestone,m2,\n"
    company = folder(tmp_path, catalogue, changes=changes)
    assert company.bill().lines("c") == {"m1 (20 октября 2026 г.)": ("1", "1000.00")}
    assert nets(company.bill("2026-11")) == [("m2", "500.00")]
