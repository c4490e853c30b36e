"""A formula over other prices, composed as a form: parts, tables, names; no JSON is typed."""

import re
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.test import Client
from django.utils.translation import override

from kvit.catalog import queries as catalog
from kvit.parties.rows import Tenant
from kvit.web.office._shapes import number_typed
from tests.invoicing.company import bill, found
from tests.web.conftest import Office

P = "price.price"
FORM = {
    "version": "1", "quantity": "12", "do": "show",
    "price.plan": "pro", "price.code": "calls", "price.name": "Вызовы", "price.meter": "calls",
    "price.prorate": "none", "price.when": "arrears",
    "price.counts_quantity.asked": "1", "price.counts_quantity": "on",
    f"{P}.model": "composed", f"{P}.expression": "base * range(units, norms) + key(zone, zones)",
    f"{P}.parts[0].called": "base", f"{P}.parts[0].model": "graduated",
    f"{P}.parts[0].tiers[0].unit": "1 850", f"{P}.parts[0].tiers[0].up_to": "10",
    f"{P}.parts[0].tiers[1].unit": "1 650",
    f"{P}.tables[0].called": "norms", f"{P}.tables[0].ranges[0].value": "0,08",
    f"{P}.tables[1].called": "zones", f"{P}.tables[1].default": "100",
    f"{P}.tables[1].keys[0].called": "north", f"{P}.tables[1].keys[0].value": "300",
    f"{P}.attributes": "zone",
}  # fmt: skip
PRICE = {
    "model": "composed", "expression": FORM[f"{P}.expression"], "attributes": ["zone"],
    "parts": {
        "base": {"model": "graduated", "tiers": [{"unit": "1850", "up_to": "10"}, {"unit": "1650"}]}
    },
    "tables": {
        "norms": {"ranges": [{"value": "0.08"}]},
        "zones": {"default": "100", "keys": {"north": "300"}},
    },
}  # fmt: skip


@pytest.fixture
def denis(office: Office, tenant: Tenant) -> Client:
    found()
    bill()
    return office("product_manager")


@pytest.fixture
def draft(denis: Client) -> UUID:
    sent = {"title": "Звонки", "kind": "price", "key": "pro/calls"}
    assert denis.post("/office/catalogue/drafts/new/", sent).status_code == 302
    [info] = catalog.drafts().rows
    return info.id


def sent(denis: Client, draft: UUID, to: str = "put/price/", **said: Any) -> Any:
    fields = {name: value for name, value in (FORM | said).items() if value != "—"}
    kind = "application/x-www-form-urlencoded"  # as a browser sends it: names of any length
    return denis.post(f"/office/catalogue/drafts/{draft}/{to}", urlencode(fields, doseq=True), kind)


def shown(denis: Client, draft: UUID, do: str = "show", **said: str) -> dict[str, str]:
    """Return the fields of the form that comes back, by name."""
    answer = sent(denis, draft, do=do, **said)
    assert answer.status_code == 200
    page = answer.content.decode()
    found = re.findall(r'<input[^>]* name="price\.price\.([^"]+)" value="([^"]*)"', page)
    chosen = re.findall(
        r'<select[^>]* name="price\.price\.([^"]*model)".*?<option value="(\w*)" selected', page
    )
    return dict(found) | dict(chosen)


def test_parts_tables_and_names_make_the_document_of_a_formula(denis: Client, draft: UUID) -> None:
    assert sent(denis, draft, do="save").status_code == 302
    kept = catalog.draft(draft)
    assert kept is not None
    assert kept.content["price"]["pro/calls"]["price"] == PRICE
    # What was kept comes back into the same fields.
    page = denis.get(f"/office/catalogue/drafts/{draft}/put/price/?key=pro%2Fcalls")
    again = page.content.decode()
    for name in ("parts[0].called", "parts[0].tiers[1].unit", "tables[1].keys[0].value"):
        assert f'name="{P}.{name}" value="{FORM[f"{P}.{name}"].replace(" ", "")}"' in again


def test_parts_are_added_renamed_and_taken_out_without_javascript(
    denis: Client, draft: UUID
) -> None:
    more = shown(denis, draft, f"name:{P}.parts")
    assert (more["parts[1].called"], more["parts[1].model"]) == ("part1", "per_unit")
    assert more["parts[0].tiers[1].unit"] == "1650"
    assert "parts[0].called" not in shown(denis, draft, f"unname:{P}.parts[0]")
    assert shown(denis, draft, f"name:{P}.tables[1].keys")["tables[1].keys[1].called"] == ""
    assert shown(denis, draft, f"add:{P}.tables[0].ranges")["tables[0].ranges[0].value"] == ""
    tiers = shown(denis, draft, f"add:{P}.parts[0].tiers")
    assert [tiers[f"parts[0].tiers[{place}].unit"] for place in range(3)] == ["1850", "", "1650"]
    for nonsense in (f"unname:{P}.parts[7]", f"name:{P}.expression", "unname:", "name:x[0]",
                     f"remove:{P}.parts.base.tiers", f"up:{P}.tables.norms"):  # fmt: skip
        assert shown(denis, draft, nonsense) == shown(denis, draft)


def test_a_price_becomes_a_part_of_a_formula_and_costs_the_same(denis: Client, draft: UUID) -> None:
    plain = {"model": "per_unit", "unit": "2,5", "expression": "—", "attributes": "—"}
    fields = {f"{P}.{name}": value for name, value in plain.items()}
    found = shown(denis, draft, f"wrap:{P}", **fields)
    assert found["model"] == "composed"
    assert (found["parts[0].called"], found["parts[0].unit"]) == ("base", "2,5")
    page = sent(denis, draft, do=f"wrap:{P}", **fields).content.decode()
    assert 'data-sum="30.00"' in page  # 12 × 2.50


def test_an_error_inside_a_part_is_told_at_its_field(denis: Client, draft: UUID) -> None:
    def told(field: str, value: str, place: str) -> str:
        answer = sent(denis, draft, do="save", **{f"{P}.{field}": value})
        assert answer.status_code == 422
        page = answer.content.decode()
        at = page.index(f'id="f-price-price-{place}-error"')
        return page[at : at + 700]

    said = told("parts[0].tiers[1].unit", "много", "parts-0-tiers-1-unit")
    assert "«много» — не число. Напишите его как 12,50." in said
    said = told("parts[0].tiers[0].up_to", "", "parts-0-tiers-0-up_to")
    assert "Ступень без верхней границы может быть только последней." in said
    said = told("tables[1].keys[0].value", "x", "tables-1-keys-0-value")
    assert "не число" in said
    said = told("parts[0].model", "", "parts-0-model")
    assert "Здесь нужно значение: заполните." in said
    kept = catalog.draft(draft)
    assert kept is not None
    assert kept.content == {}


def test_a_name_that_stands_twice_is_told_and_nothing_is_kept(denis: Client, draft: UUID) -> None:
    twice = {f"{P}.parts[1].called": "base", f"{P}.parts[1].model": "per_unit",
             f"{P}.parts[1].unit": "3"}  # fmt: skip
    answer = sent(denis, draft, do="save", **twice)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "«base» уже есть" in page
    assert f'name="{P}.parts[1].called" value="base_2"' in page
    kept = catalog.draft(draft)
    assert kept is not None
    assert kept.content == {}


def test_a_name_that_no_formula_can_say_is_told_as_one_types(denis: Client, draft: UUID) -> None:
    answer = sent(denis, draft, "example/", **{f"{P}.parts[0].called": "цена за день"})
    page = answer.content.decode()
    at = page.index('id="f-price-price-parts-0-note" hx-swap-oob')
    assert "Формула не может назвать «цена за день»" in page[at : at + 700]


def test_a_word_goes_into_the_formula_of_a_part_in_a_row(denis: Client, draft: UUID) -> None:
    inner = {
        f"{P}.parts[0].model": "composed", f"{P}.parts[0].expression": "units *",
        f"{P}.parts[0].parts[0].called": "deep", f"{P}.parts[0].parts[0].model": "per_unit",
        f"{P}.parts[0].parts[0].unit": "1",
    }  # fmt: skip
    page = sent(denis, draft, do=f"insert:{P}.parts[0].expression:deep", **inner).content.decode()
    assert "units * deep</textarea>" in page


def test_events_that_count_are_filtered_by_names_and_values(denis: Client, draft: UUID) -> None:
    fields = {"price.filters[0].called": "zone", "price.filters[0].value": "север, юг",
              "price.filters[1].called": "", "price.filters[1].value": ""}  # fmt: skip
    assert sent(denis, draft, do="save", **fields).status_code == 302
    kept = catalog.draft(draft)
    assert kept is not None
    assert kept.content["price"]["pro/calls"]["filters"] == {"zone": ["север", "юг"]}
    again = sent(denis, draft, do="name:price.filters", **fields).content.decode()
    assert 'name="price.filters[1].called" value=""' in again


@pytest.mark.parametrize(
    "field", [f"{P}.parts[{'9' * 5000}].called", f"{P}.tables[0].ranges[{'9' * 5000}].value"]
)
def test_a_place_of_five_thousand_digits_is_no_row(denis: Client, draft: UUID, field: str) -> None:
    assert shown(denis, draft, **{field: "1"}) == shown(denis, draft)
    assert shown(denis, draft, f"remove:{field}") == shown(denis, draft)
    assert shown(denis, draft, f"uncolumn:{field}") == shown(denis, draft)


@pytest.mark.parametrize(
    ("lang", "typed", "meant"),
    [
        ("ru", "13,800", "13.800"),
        ("ru", "1 234,50", "1234.50"),
        ("en", "13,800", "13800"),
        ("en", "1,234,567.5", "1234567.5"),
        ("en", "−1,234", "-1234"),
        ("en", "0,035", "0.035"),
        ("en", "12,5", "12.5"),
        ("en", "1,23,456", "1,23,456"),
    ],
)
def test_a_comma_means_what_its_reader_means(lang: str, typed: str, meant: str) -> None:
    with override(lang):
        assert number_typed(typed) == meant


def test_json_nested_without_end_is_told_and_is_no_fault_of_ours(
    denis: Client, draft: UUID
) -> None:
    deep = sent(denis, draft, "example/", quantity='{"units":' * 20_000)
    assert (deep.status_code, "не читается как JSON" in deep.content.decode()) == (200, True)
    bands = {f"{P}.model": "banded", f"{P}.bands[0].days": "[" * 20_000, f"{P}.bands[0].unit": "1"}
    assert sent(denis, draft, do="save", **bands).status_code == 422


BANDED = {
    f"{P}.model": "banded", f"{P}.bands[0].from": "08:00", f"{P}.bands[0].to": "20:00",
    f"{P}.bands[0].unit": "1",
}  # fmt: skip


def test_days_of_a_band_are_boxes_and_come_back_checked(denis: Client, draft: UUID) -> None:
    """No script, no JSON: a box a day, posted under one name."""
    days = {f"{P}.bands[0].days": ["1", "5", "holiday"]}
    answer = sent(denis, draft, do="show", **BANDED, **days)
    page = answer.content.decode()
    boxes = re.findall(rf'name="{re.escape(P)}\.bands\[0\]\.days" value="(\w+)"( checked)?', page)
    assert [code for code, _ in boxes] == ["1", "2", "3", "4", "5", "6", "7", "holiday"]
    assert [code for code, checked in boxes if checked] == ["1", "5", "holiday"]
    for said in ("Пн", "Вс", "Праздники"):
        assert said in page


def test_a_band_of_no_day_is_told_at_its_boxes(denis: Client, draft: UUID) -> None:
    answer = sent(denis, draft, do="save", **BANDED)
    assert answer.status_code == 422
    name = _id_of(f"{P}.bands[0].days")
    assert re.search(rf'<fieldset[^>]* id="{name}" aria-describedby="{name}-error"',
                     answer.content.decode())  # fmt: skip


def test_increments_are_two_numbers(denis: Client, draft: UUID) -> None:
    dial = {
        f"{P}.model": "destination", f"{P}.rates[0].prefixes": "7",
        f"{P}.rates[0].rate": "2", f"{P}.rates[0].increments.first": "60",
        f"{P}.rates[0].increments.next": "1",
    }  # fmt: skip
    page = sent(denis, draft, do="show", **dial).content.decode()
    for part, value in (("first", "60"), ("next", "1")):
        name = re.escape(f"{P}.rates[0].increments.{part}")
        assert re.search(rf'name="{name}" value="{value}" inputmode="numeric"', page)
    wrong = dial | {f"{P}.rates[0].increments.next": ""}
    answer = sent(denis, draft, do="save", **wrong)
    assert answer.status_code == 422
    assert f'id="{_id_of(f"{P}.rates[0].increments")}-error"' in answer.content.decode()


def _id_of(name: str) -> str:
    return "f-" + re.sub(r"[^\w-]+", "-", name).strip("-")
