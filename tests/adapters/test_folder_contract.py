"""The company folder, point by point of its contract: what is read, what is refused, what waits."""

import re
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from kvit.adapters.folder import read_folder
from kvit.integrations.port import REMEDIES, WORDS, NoCompanyFolder
from tests.adapters.sample import Company, where


def test_a_sound_folder_has_no_fault_and_holds_nothing(company: Company) -> None:
    folder = company.read()
    assert folder.faults == ()
    assert (folder.held, folder.held_prices) == ({}, frozenset())
    assert [row.code for row in folder.sellers] == ["main", "second"]
    assert [(row.plan, row.code, row.prorate) for row in folder.prices] == [
        ("basic", "fee", "days"),
        ("basic", "use", "none"),
        ("big", "fee", "days"),
    ]
    assert [row.seller for row in folder.plans] == ["main", "second"]
    assert [row.quantity for row in folder.subscriptions] == [Fraction(2), Fraction(1), Fraction(1)]
    assert folder.customers[0].place.row == 2


@pytest.mark.parametrize(("missing", "reason"), [("", "no_folder"), ("company.toml", "no_company")])
def test_what_is_no_company_folder_is_refused_with_a_remedy(
    company: Company, missing: str, reason: str
) -> None:
    directory = company.path if missing else company.path / "nowhere"
    if missing:
        (directory / missing).unlink()
    with pytest.raises(NoCompanyFolder) as refused:
        read_folder(directory)
    assert refused.value.reason == reason
    assert "./kvit new" in refused.value.remedy("ru")
    assert str(directory) in refused.value.message("en")


ONE_FAULT = [
    # file, what stands there, what a person wrote instead, code, row, field, held
    ("company.toml", 'currency = "RUB"', 'currency = "RUR"', "bad_currency", 4, "company.currency",
     ("seller", "*")),
    ("company.toml", 'zone = "Europe/Moscow"', 'zone = "Moscow"', "bad_zone", 5, "company.zone",
     ("company", "*")),
    ("company.toml", '"document"', '"total"', "bad_word", 8, "policy.vat_rounding",
     ("company", "*")),
    ("company.toml", '"7701234560"', '"7701234561"', "bad_inn", 13, "seller.inn",
     ("plan", "basic")),
    ("company.toml", '"770101001"', '"77"', "bad_kpp", 14, "seller.kpp", ("seller", "main")),
    ("company.toml", '"40702810000000001234"', '"40702810000000001235"', "bad_account", 16,
     "seller.account", ("seller", "main")),
    ("company.toml", 'bik = "044525901"', "", "missing_value", 10, "seller.bik",
     ("seller", "main")),
    ("company.toml", 'vat = "none"', 'vat = "18"', "bad_word", 21, "seller.vat",
     ("seller", "second")),
    ("company.toml", 'vat = "none"', 'vat = "none"\nseries = "{year}"', "bad_series", 22,
     "seller.series", ("subscription", "b-2")),
    ("company.toml", 'code = "second"', 'code = "main"', "duplicate_code", 19, "seller.code",
     ("seller", "main")),
    ("catalogue.toml", 'aggregation = "unique"', 'aggregation = "uniq"', "bad_word", 8,
     "meter[users].aggregation", ("meter", "users")),
    ("catalogue.toml", 'name = "Базовый"', 'name = "Базовый"\ncycle = "fortnight"', "bad_cycle", 12,
     "plan[basic].cycle", ("subscription", "a-1")),
    ("catalogue.toml", 'seller = "second"', 'seller = "secund"', "unknown_seller", 20,
     "plan[big].seller", ("plan", "big")),
    ("catalogue.toml", 'seller = "second"', 'calendar = "moon"', "unknown_calendar", 20,
     "plan[big].calendar", ("plan", "big")),
    ("catalogue.toml", 'seller = "second"', 'trial = "a fortnight"', "bad_word", 23,
     "plan[big].trial", ("plan", "big")),
    ("catalogue.toml", 'percent = "10"', "percent = 0.1", "float_refused", 29,
     "coupon[SPRING].percent", ("coupon", "SPRING")),
    ("catalogue.toml", 'percent = "10"', 'percent = "10"\nfixed = "5"', "percent_or_fixed", 29,
     "coupon[SPRING].percent", ("coupon", "SPRING")),
    ("customers.csv", "beta,Борис", "alfa,Борис", "duplicate_code", 3, "code",
     ("customer", "alfa")),
    ("customers.csv", "person", "human", "bad_word", 3, "kind", ("subscription", "b-1")),
    ("customers.csv", "Asia/Vladivostok", "Vladivostok", "bad_zone", 3, "zone",
     ("customer", "beta")),
    ("customers.csv", "+7 900 123-45-67", "call me", "bad_phone", 2, "phone",
     ("subscription", "a-1")),
    ("customers.csv", "ООО «Альфа»", "=cmd|'/c calc'!A0", "formula", 2, "name",
     ("customer", "alfa")),
    ("customers.csv", "ООО «Альфа»", "", "missing_value", 2, "name", ("customer", "alfa")),
    ("customers.csv", "alfa,", "al fa,", "bad_code", 2, "code", ("customer", "al fa")),
    ("subscriptions.csv", "a-1,alfa", "a-1,alpha", "unknown_customer", 2, "customer",
     ("subscription", "a-1")),
    ("subscriptions.csv", "b-2,beta,big", "b-2,beta,bigg", "unknown_plan", 4, "plan",
     ("subscription", "b-2")),
    ("subscriptions.csv", "2026-10-01,2", "01.10.2026,2", "bad_date", 2, "start",
     ("subscription", "a-1")),
    ("subscriptions.csv", "2026-10-01,2", '2026-10-01,"2,5"', "bad_number", 2, "quantity",
     ("subscription", "a-1")),
    ("subscriptions.csv", "2026-10-01,2", "2026-10-01,-2", "out_of_range", 2, "quantity",
     ("subscription", "a-1")),
    ("subscriptions.csv", "2026-10-01,2", "2026-02-30,2", "bad_date", 2, "start",
     ("subscription", "a-1")),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "code", "row", "field", "held"), ONE_FAULT)
def test_a_fault_is_named_by_place_and_holds_what_hangs_on_it(
    company: Company, file: str, old: str, new: str, code: str, row: int, field: str,
    held: tuple[str, str],
) -> None:  # fmt: skip
    company.edit(file, old, new)
    folder = company.read()
    # The first fault is the cause; what follows from it may be told beside it.
    told = {where(fault) for fault in folder.faults}
    assert (code, file, row, field) in told
    assert folder.holds(*held)
    for fault in folder.faults:
        for lang in ("ru", "en"):
            said = fault.message(lang) + fault.remedy(lang)
            assert set(re.findall(r"\{(\w+)", said)) <= {"year", "number", "branch"}


def test_a_bad_customer_holds_its_subscriptions_and_nobody_elses(company: Company) -> None:
    company.edit("customers.csv", "beta,Борис,person", "beta,Борис,people")
    folder = company.read()
    assert folder.held == {
        "customer": frozenset({"beta"}),
        "subscription": frozenset({"b-1", "b-2"}),
    }
    assert not folder.holds("subscription", "a-1")


def test_a_bad_price_holds_that_price_only(company: Company) -> None:
    company.edit("catalogue.toml", 'unit = "0.5"', 'unit = "a lot"')
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == [
        ("not_a_number", "catalogue.toml", 18, "plan[basic].price[use].price.unit")
    ]
    assert folder.held == {}
    assert folder.held_prices == {("basic", "use")}
    assert "a lot" in folder.faults[0].message("ru")


def test_a_faulty_meter_holds_the_prices_that_read_it(company: Company) -> None:
    company.edit("catalogue.toml", 'name = "Вызовы"', 'name = "Вызовы"\nnmae = "Calls"')
    folder = company.read()
    assert [where(fault)[0] for fault in folder.faults] == ["unknown_key"]
    assert folder.faults[0].params["suggestion"] == "name"
    assert folder.held == {"meter": frozenset({"calls"})}
    assert folder.held_prices == {("basic", "use")}


def test_a_payer_that_is_held_holds_those_it_pays_for(company: Company) -> None:
    company.edit("customers.csv", "code,name,kind,phone,zone", "code,name,kind,payer,zone")
    company.edit("customers.csv", "company,+7 900 123-45-67,", "company,beta,")
    company.edit("customers.csv", "Asia/Vladivostok", "Nowhere/Else")
    assert company.read().held["subscription"] == {"a-1", "b-1", "b-2"}


def test_payers_in_a_circle_are_told(company: Company) -> None:
    company.edit("customers.csv", "code,name,kind,phone,zone", "code,name,kind,payer,zone")
    company.edit("customers.csv", "company,+7 900 123-45-67,", "company,beta,")
    company.edit("customers.csv", "person,,", "person,alfa,")
    faults = company.read().faults
    assert [where(fault) for fault in faults] == [
        ("payer_cycle", "customers.csv", 2, "payer"),
        ("payer_cycle", "customers.csv", 3, "payer"),
    ]
    assert faults[0].params["chain"] == "alfa → beta → alfa"


@pytest.mark.parametrize(
    "column",
    # A space, capitals, Cyrillic look-alikes, Russian, a slip, an invisible space.
    ["inn ", "INN", "\u0456пп", "инн", "in", "\u200binn"],
)
def test_an_unknown_column_is_told_with_what_was_meant(company: Company, column: str) -> None:
    company.edit("customers.csv", "code,name,kind,phone,zone", f"code,name,kind,{column},zone")
    company.edit("customers.csv", "+7 900 123-45-67", "")
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == [
        ("unknown_column", "customers.csv", 1, column)
    ]
    assert folder.faults[0].params["suggestion"] == "inn"
    assert "«inn»" in folder.faults[0].message("ru")
    assert "“inn”" in folder.faults[0].message("en")
    # What the column says may decide what is billed.
    assert folder.holds("customer", "alfa")
    assert folder.holds("subscription", "b-2")


def test_a_missing_required_column_holds_the_whole_list(company: Company) -> None:
    company.edit("subscriptions.csv", "code,customer,plan,start", "code,customer,plan,began")
    folder = company.read()
    assert ("missing_column", "subscriptions.csv", 1, "start") in map(where, folder.faults)
    assert folder.subscriptions == ()
    assert folder.holds("subscription", "a-1")


@pytest.mark.parametrize("file", ["catalogue.toml", "customers.csv", "subscriptions.csv"])
def test_a_missing_list_is_a_fault(company: Company, file: str) -> None:
    (company.path / file).unlink()
    folder = company.read()
    assert ("missing_file", file, None, "") in map(where, folder.faults)
    assert folder.holds("subscription", "a-1")


def test_a_file_that_nobody_reads_is_told_unless_it_is_no_data(company: Company) -> None:
    company.write("customer.csv", "code\n")
    company.write("usage/october.xlsx", b"PK")
    company.write("README.md", "words")
    company.write(".gitignore", "*")
    faults = company.read().faults
    assert [where(fault) for fault in faults] == [
        ("unknown_file", "customer.csv", None, ""),
        ("unknown_file", "usage/october.xlsx", None, ""),
    ]
    assert "customers.csv" in faults[0].remedy("en")


def test_a_toml_error_has_its_line_and_column(company: Company) -> None:
    company.edit("catalogue.toml", 'name = "Базовый"', "name = Базовый")
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == [
        ("toml_syntax", "catalogue.toml", 11, "column 8"),
    ]
    assert folder.holds("plan", "basic")
    assert folder.holds("subscription", "a-1")


def test_versions_of_a_price_are_told_apart_by_their_first_day(company: Company) -> None:
    newer = '\n[[plan.price]]\ncode = "fee"\neffective = "2026-11-01"\n'
    company.append("catalogue.toml", '[[plan]]\ncode = "p"\nname = "П"')
    company.append(
        "catalogue.toml",
        newer.replace('effective = "2026-11-01"\n', "")
        + 'price = { model = "flat", amount = "1" }',
    )
    company.append("catalogue.toml", newer + 'price = { model = "flat", amount = "2" }')
    assert company.read().faults == ()
    versions = [price.effective for price in company.read().prices if price.plan == "p"]
    assert versions == [None, date(2026, 11, 1)]

    company.append("catalogue.toml", newer + 'price = { model = "flat", amount = "3" }')
    folder = company.read()
    assert [where(fault)[0] for fault in folder.faults] == ["price_conflict"]
    assert folder.faults[0].params["first_row"] == "36"
    assert folder.held_prices == {("p", "fee")}


def test_a_price_whose_example_fails_is_not_published(company: Company) -> None:
    company.edit("catalogue.toml", 'amount = "1.50"', 'amount = "1.51"')
    folder = company.read()
    (fault,) = folder.faults
    assert where(fault) == (
        "example_fails", "catalogue.toml", 19, "plan[basic].price[use].examples[1]",
    )  # fmt: skip
    assert (fault.params["expected"], fault.params["actual"]) == ("1.51", "1.50")
    assert folder.held_prices == {("basic", "use")}


@pytest.mark.parametrize(
    ("example", "code", "field"),
    [
        ('{ units = "3" }', "missing_value", "examples[1].amount"),
        ('{ unit = "3", amount = "1" }', "unknown_key", "examples[1].unit"),
        ('{ events = ["3"], amount = "1" }', "unknown_field", "examples[1].events"),
    ],
)
def test_an_example_that_cannot_be_tried_is_a_fault(
    company: Company, example: str, code: str, field: str
) -> None:
    company.edit("catalogue.toml", '{ units = "3", amount = "1.50" }', example)
    told = [where(fault) for fault in company.read().faults]
    assert told == [(code, "catalogue.toml", 19, f"plan[basic].price[use].{field}")]


def test_a_catalogue_may_stand_in_several_files(company: Company) -> None:
    company.write(
        "catalogue/extra.toml", '[[plan]]\ncode = "x"\nname = "Икс"\nincludes = ["big"]\n'
    )
    assert [plan.code for plan in company.read().plans] == ["basic", "big", "x"]

    company.write("catalogue/again.toml", '\n[[plan]]\ncode = "big"\nname = "Большой"\n')
    (fault,) = company.read().faults
    assert where(fault) == ("duplicate_code", "catalogue/again.toml", 3, "plan[big].code")
    assert (fault.params["first_file"], fault.params["first_row"]) == ("catalogue.toml", "21")


def test_calendars_are_read_by_day_and_kind(company: Company) -> None:
    company.write(
        "calendars/shop.csv", "# наши дни\ndate,kind\n2026-10-05,holiday\n2026-10-10,working\n"
    )
    company.edit("catalogue.toml", 'name = "Базовый"', 'name = "Базовый"\ncalendar = "shop"')
    folder = company.read()
    assert folder.faults == ()
    assert folder.calendars[0].days == {
        date(2026, 10, 5): "holiday",
        date(2026, 10, 10): "working",
    }
    company.append("calendars/shop.csv", "2026-10-05,working\n")
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == [
        ("duplicate_code", "calendars/shop.csv", 5, "code")
    ]
    assert folder.holds("calendar", "shop")
    assert folder.holds("plan", "basic")


def test_the_catalogue_keys_of_our_own_are_read(company: Company) -> None:
    company.append(
        "catalogue.toml",
        """
[[discount]]
code = "bulk"
percent = "5"
scope = "basic/use"
from_units = "1000"
order = 2
[[coupon]]
code = "FOREVER"
fixed = "100.00"
limit = 10
expires = "2026-12-31"
periods = "forever"
[[plan]]
code = "ramp"
name = "Разгон"
trial = "14 days"
commitment = "10000.00"
threshold = "5000.00"
price_basis = "gross"
[[plan.phase]]
code = "start"
cycles = 3
[[plan.price]]
code = "cheap"
phase = "start"
when = "advance"
continue = true
quantity = false
prorate = "fixed_30"
price = { model = "flat", amount = "1" }
[[plan.price]]
code = "eu"
meter = "calls"
filter = { region = ["eu", "uk"] }
group_by = ["region"]
calendar = "ru"
price = { model = "flat", amount = "1" }
""",
    )
    folder = company.read()
    assert folder.faults == ()
    (discount,) = folder.discounts
    assert (discount.scope, discount.from_units, discount.order) == ("basic/use", 1000, 2)
    forever = folder.coupons[1]
    assert (forever.fixed, forever.limit, forever.expires, forever.periods) == (
        100, 10, date(2026, 12, 31), None,
    )  # fmt: skip
    ramp = folder.plans[2]
    assert (ramp.trial_days, ramp.commitment, ramp.threshold) == (14, 10_000, 5_000)
    assert ramp.phases == (("start", 3),)
    cheap, europe = folder.prices[3:]
    assert (cheap.phase, cheap.when, cheap.continues, cheap.quantity) == (
        "start",
        "advance",
        True,
        False,
    )
    assert (cheap.prorate, europe.prorate) == ("fixed_30", "none")
    assert (europe.filters, europe.group_by) == ({"region": ("eu", "uk")}, ("region",))


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ('phase = "end"', "unknown_phase"),
        ('meter = "clals"', "unknown_meter"),
        ('meter = "calls"\ngroup_by = ["regoin"]', "unknown_dimension"),
        ('meter = "calls"\nwhen = "advance"', "bad_word"),
        ('when = "later"', "bad_word"),
        ('prorate = "weeks"', "bad_word"),
        ('efective = "2026-01-01"', "unknown_key"),
        ("quantity = 1", "wrong_type"),
        ('calendar = "ruu"', "unknown_calendar"),
    ],
)
def test_a_fault_of_a_price_holds_it_alone(company: Company, key: str, code: str) -> None:
    price = f'\n[[plan]]\ncode = "p"\nname = "П"\n[[plan.price]]\ncode = "x"\n{key}\n'
    company.append("catalogue.toml", price + 'price = { model = "flat", amount = "1" }\n')
    folder = company.read()
    assert [fault.code for fault in folder.faults] == [code]
    assert folder.held_prices == {("p", "x")}
    assert folder.held == {}


def test_a_discount_that_cannot_be_read_holds_all_that_it_may_cover(company: Company) -> None:
    company.append(
        "catalogue.toml", '[[discount]]\ncode = "d"\npercent = "5"\nscope = "big"\nordr = 1\n'
    )
    folder = company.read()
    assert [fault.code for fault in folder.faults] == ["unknown_key"]
    assert folder.holds_price("basic", "fee")
    assert folder.holds_price("big", "fee")


def test_plans_that_include_one_another_are_told(company: Company) -> None:
    company.append("catalogue.toml", '[[plan]]\ncode = "x"\nname = "Икс"\nincludes = ["y"]\n')
    company.append("catalogue.toml", '[[plan]]\ncode = "y"\nname = "Игрек"\nincludes = ["x"]\n')
    folder = company.read()
    assert [fault.code for fault in folder.faults] == ["bundle_cycle", "bundle_cycle"]
    assert folder.held == {"plan": frozenset({"x", "y"})}


def test_all_faults_are_told_at_once(company: Company) -> None:
    company.edit("company.toml", '"770101001"', '"77"')
    company.edit("catalogue.toml", 'unit = "0.5"', "unit = 0.5")
    company.edit("customers.csv", "person,,Asia/Vladivostok", "human,,Vladivostok")
    company.edit("subscriptions.csv", "b-2,beta,big", "b-2,beta,bigg")
    assert [fault.code for fault in company.read().faults] == [
        "bad_kpp", "float_refused", "bad_word", "bad_zone", "unknown_plan",
    ]  # fmt: skip


def test_every_code_is_said_in_two_languages_with_a_remedy() -> None:
    assert set(WORDS) <= set(REMEDIES)
    for texts in (*WORDS.values(), *REMEDIES.values()):
        russian, english = texts
        assert russian.strip()
        assert english.strip()
        assert not any("а" <= letter <= "я" for letter in english.lower())


def test_the_demo_company_reads_without_a_fault() -> None:
    folder = read_folder(Path(__file__).parents[2] / "examples/severny-kontur")
    assert folder.faults == ()
    rows = [item for source in folder.usage for item in source.rows()]
    totals: dict[str, Fraction] = {}
    for row in {row.id: row for row in rows}.values():
        if row.meter == "api_calls":
            half = "before" if row.time < datetime(2026, 10, 15, 21, tzinfo=UTC) else "after"
            totals[half] = totals.get(half, Fraction(0)) + Fraction(row.value)
    assert totals == {"before": 300_000, "after": 320_000}
