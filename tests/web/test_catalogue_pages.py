"""Pages of the catalogue and of subscriptions: composed, simulated, published; shown, then done."""

import re
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from kvit.catalog import queries as catalog
from kvit.catalog.rows import Outcome, Scenario, SimulationInfo
from kvit.catalog.services import CouponRefused, redeem
from kvit.core.periods import parse_billing_period
from kvit.core.pricing import MODELS
from kvit.core.pricing.shape import shape_of
from kvit.core.quote import answer
from kvit.core.statements import supposing
from kvit.parties.rows import Tenant
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow
from kvit.subscriptions.models import Amendment
from kvit.web.office.simulations import _chart
from tests.invoicing.company import bill, found
from tests.web.conftest import Office

PAGES = (
    "catalogue/", "catalogue/?q=pro&meter=calls", "catalogue/plans/pro/", "catalogue/meters/",
    "catalogue/discounts/", "catalogue/calendars/",
    "catalogue/taxes/", "catalogue/stated/meter/calls/",
    "catalogue/drafts/", "catalogue/simulations/",
    "subscriptions/", "subscriptions/?q=север&state=active&scheduled=on", "subscriptions/n-1/",
    "subscriptions/n-1/next/", "subscriptions/n-1/change/", "subscriptions/new/",
    "subscriptions/bulk/", "subscriptions/export/",
    *(f"subscriptions/n-1/change/?change={kind}" for kind in (
        "quantity", "discount", "addon", "terms", "transfer", "pause", "resume", "cancel",
        "coupon", "trial", "scheme", "milestone")),
)  # fmt: skip


@pytest.fixture
def company(tenant: Tenant) -> Tenant:
    found()
    bill()
    return tenant


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("lang", ["ru", "en"])
def test_every_page_opens(office: Office, lang: str) -> None:
    client = office("owner", lang=lang)
    opened = {path: client.get(f"/office/{path}").status_code for path in PAGES}
    assert {path: status for path, status in opened.items() if status != 200} == {}


# --- the composer ---------------------------------------------------------------------------------

TIERS = {
    "price.plan": "pro", "price.code": "calls", "price.name": "Вызовы", "price.meter": "calls",
    "price.prorate": "none", "price.when": "arrears",
    "price.counts_quantity.asked": "1", "price.counts_quantity": "on",
    "price.price.model": "graduated",
    "price.price.tiers[0].unit": "0,12", "price.price.tiers[0].up_to": "1 000",
    "price.price.tiers[1].unit": "0,05",
    "price.examples[0].quantity": "2000", "price.examples[0].amount": "170,00",
    "price.examples[1].quantity": "", "price.examples[1].amount": "",
}  # fmt: skip
DOCUMENT = {
    "plan": "pro", "code": "calls", "name": "Вызовы", "meter": "calls", "prorate": "none",
    "price": {"model": "graduated", "tiers": [{"unit": "0.12", "up_to": "1000"}, {"unit": "0.05"}]},
    "examples": [{"units": "2000", "amount": "170.00"}],
}  # fmt: skip


@pytest.fixture
def denis(office: Office, company: Tenant) -> Client:
    return office("product_manager")


def begun(denis: Client) -> UUID:
    """Begin a draft as the button of a plan does; return its id."""
    sent = {"title": "Звонки", "kind": "price", "key": "pro/calls"}
    answer = denis.post("/office/catalogue/drafts/new/", sent)
    assert answer.status_code == 302
    [info] = catalog.drafts().rows
    assert answer["Location"] == f"/office/catalogue/drafts/{info.id}/put/price/?key=pro%2Fcalls"
    assert denis.get(answer["Location"]).status_code == 200
    return info.id


def compose(denis: Client, draft: UUID, **said: str) -> Any:
    fields = {"version": "1", "do": "save", "quantity": "2000"} | TIERS | said
    return denis.post(f"/office/catalogue/drafts/{draft}/put/price/", fields)


def test_a_form_makes_the_document_of_its_dataclass(denis: Client) -> None:
    draft = begun(denis)
    assert compose(denis, draft).status_code == 302
    found = catalog.draft(draft)
    assert found is not None
    assert found.content == {"price": {"pro/calls": DOCUMENT}}


def test_a_wrong_field_says_why_under_itself_and_keeps_nothing(denis: Client) -> None:
    draft = begun(denis)
    wrong = {"price.price.tiers[1].up_to": "500", "price.price.tiers[1].unit": "0,05"}
    answer = compose(denis, draft, **wrong)
    page = answer.content.decode()
    assert answer.status_code == 422
    place = page.index('id="f-price-price-tiers-1-up_to-error"')
    assert "Граница ступени 500 не больше предыдущей 1000" in page[place : place + 600]
    assert 'value="0,12"' in page  # what was typed stays
    found = catalog.draft(draft)
    assert found is not None
    assert found.content == {}


def test_an_edit_made_meanwhile_is_shown_beside_what_was_typed_and_nothing_is_lost(
    denis: Client,
) -> None:
    draft = begun(denis)
    assert compose(denis, draft).status_code == 302  # somebody's, from the same beginning
    mine = {"price.price.tiers[1].unit": "0,07", "price.examples[0].amount": ""}
    mine["price.examples[0].quantity"] = ""
    redrawn = compose(denis, draft, do="add:price.price.tiers", **mine)
    assert 'name="version" value="1"' in redrawn.content.decode()
    answer = compose(denis, draft, **mine)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Пока вы правили, черновик изменил Product_Manager" in page
    assert [(one["before"], one["after"]) for one in answer.context["meanwhile"].rows] == [
        ("0,05", "0,07")
    ]
    assert 'value="0,07"' in page
    found = catalog.draft(draft)
    assert found is not None
    assert found.content == {"price": {"pro/calls": DOCUMENT}}
    assert compose(denis, draft, version=str(answer.context["version"]), **mine).status_code == 302


def test_a_discount_holds_from_the_day_of_its_draft_and_the_list_says_so(denis: Client) -> None:
    draft = begun(denis)
    assert compose(denis, draft).status_code == 302
    address = f"/office/catalogue/drafts/{draft}/"
    sent = {
        "version": "2", "do": "save", "discount.code": "ny", "discount.name": "Новогодняя",
        "discount.percent.asked": "1", "discount.percent": "5",
    }  # fmt: skip
    assert denis.post(f"{address}put/discount/", sent).status_code == 302
    for page in (address, f"{address}publish/"):
        assert "Новогодняя" in denis.get(page).content.decode()
    sent = {"version": "3", "reason": "праздник"}
    assert denis.post(f"{address}publish/", sent).status_code == 302
    shown = denis.get("/office/catalogue/discounts/").content.decode()
    assert "ещё не действует" in shown
    assert denis.get("/office/catalogue/stated/discount/ny/").status_code == 200


def test_rows_are_added_moved_and_taken_out_without_javascript(denis: Client) -> None:
    draft = begun(denis)

    def units(do: str) -> list[str]:
        page = compose(denis, draft, do=do).content.decode()
        return re.findall(r'name="price\.price\.tiers\[\d\]\.unit" value="([^"]*)"', page)

    assert units("add:price.price.tiers") == ["0,12", "", "0,05"]
    assert units("down:price.price.tiers[0]") == ["0,05", "0,12"]
    assert units("up:price.price.tiers[1]") == ["0,05", "0,12"]
    assert units("remove:price.price.tiers[0]") == ["0,05"]
    for nonsense in ("up:price.price.tiers[9]", "add:price.code", "remove:", "up:x[0][1]"):
        assert units(nonsense) == ["0,12", "0,05"]


def test_the_example_is_the_quote_of_the_core(denis: Client) -> None:
    """1 000 × 0.12 + 1 000 × 0.05 = 170.00, the same steps as `kvit quote`."""
    draft = begun(denis)
    fields = TIERS | {"quantity": "2 000"}
    page = denis.post(f"/office/catalogue/drafts/{draft}/example/", fields).content.decode()
    told = answer(
        {"id": 1, "currency": "RUB", "price": DOCUMENT["price"], "units": "2000", "lang": "ru"}
    )
    assert f'data-sum="{told["amount"]}"' in page
    for step in told["charges"]:  # type: ignore[attr-defined]
        assert step["why"].replace("\N{NO-BREAK SPACE}", " ") in page.replace(
            "\N{NO-BREAK SPACE}", " "
        )
    assert "n-1" in page  # the real subscription of last month
    assert 'id="curve"' in page


MATRIX = {
    "price.price.model": "matrix",
    "price.price.prices.columns": ["zone", "kind"],
    "price.price.prices[0].match.0": "1", "price.price.prices[0].match.1": "",
    "price.price.prices[0].price.model": "per_unit", "price.price.prices[0].price.unit": "2,5",
    "price.price.prices[1].match.0": "1", "price.price.prices[1].match.1": "box",
    "price.price.prices[1].price.model": "per_unit", "price.price.prices[1].price.unit": "4",
    "quantity": "10",
}  # fmt: skip
NAMED = {name: value for name, value in TIERS.items() if "tiers" not in name
         and "examples" not in name}  # fmt: skip


def matrix_shown(denis: Client, draft: UUID, **said: Any) -> str:
    fields = {"version": "1", "do": "show"} | NAMED | MATRIX | said
    answer = denis.post(f"/office/catalogue/drafts/{draft}/put/price/", fields)
    assert answer.status_code == 200
    return answer.content.decode()


def cells(page: str) -> list[str]:
    return re.findall(r'name="price\.price\.prices\[\d\]\.match\.\d" value="([^"]*)"', page)


def test_a_matrix_is_a_table_whose_rows_are_moved_and_pasted(denis: Client) -> None:
    draft = begun(denis)
    table = "price.price.prices"
    assert cells(matrix_shown(denis, draft)) == ["1", "", "1", "box"]
    page = matrix_shown(denis, draft, do=f"up:{table}[1]")
    assert (cells(page), "До строки не дойдёт" in page) == (["1", "box", "1", ""], False)
    page = matrix_shown(denis, draft, do=f"uncolumn:{table}[0]")
    assert cells(page) == ["", "box"]
    page = matrix_shown(denis, draft, do=f"column:{table}", **{f"{table}.column": "tier"})
    assert cells(page) == ["1", "", "", "1", "box", ""]
    copied = "zone\tkind\tцена\n2\tbox\t1 234,50\n3\t\t7\n"
    page = matrix_shown(denis, draft, do=f"paste:{table}", **{f"{table}.pasted": copied})
    assert cells(page) == ["1", "", "1", "box", "2", "box", "3", ""]
    assert 'value="1234,50"' in page
    page = matrix_shown(denis, draft, do=f"paste:{table}", **{f"{table}.pasted": "2\t9"})
    assert "В строке 1 ячеек: 2, а нужно 3: zone, kind, цена." in page
    assert cells(page) == ["1", "", "1", "box"]


def test_a_row_that_nothing_reaches_is_told_at_the_row(denis: Client) -> None:
    draft = begun(denis)
    never = "До строки не дойдёт: всё, что ей подходит, забирает строка 1."
    page = matrix_shown(denis, draft)
    assert never in page[page.index('id="f-price-price-prices-1-note"') :][:1500]
    live = denis.post(f"/office/catalogue/drafts/{draft}/example/", NAMED | MATRIX)
    page = live.content.decode()
    assert never in page[page.index('id="f-price-price-prices-1-note" hx-swap-oob') :][:1500]
    assert 'data-sum="50.00"' in page  # 10 in each row: both are taken by the first, 20 × 2.50

    twice = {"price.price.prices[1].match.1": ""}
    page = matrix_shown(denis, draft, **twice)
    assert "Те же значения, что в строке 1. Оставьте одну из двух." in page
    refused = denis.post(f"/office/catalogue/drafts/{draft}/put/price/",
                         {"version": "1"} | NAMED | MATRIX | twice)  # fmt: skip
    assert refused.status_code == 422
    kept = denis.post(f"/office/catalogue/drafts/{draft}/put/price/",
                      {"version": "1"} | NAMED | MATRIX)  # fmt: skip
    assert kept.status_code == 302
    found = catalog.draft(draft)
    assert found is not None
    assert found.content["price"]["pro/calls"]["price"] == {
        "model": "matrix",
        "prices": [
            {"match": {"zone": "1"}, "price": {"model": "per_unit", "unit": "2.5"}},
            {"match": {"kind": "box", "zone": "1"}, "price": {"model": "per_unit", "unit": "4"}},
        ],
    }


def test_a_formula_is_helped_with_names_and_its_fault_is_marked(denis: Client) -> None:
    draft = begun(denis)
    fields = NAMED | {
        "version": "1", "quantity": "10", "price.price.model": "composed",
        "price.price.parts[0].called": "base", "price.price.parts[0].model": "per_unit",
        "price.price.parts[0].unit": "2", "price.price.expression": "base * fue + 1",
    }  # fmt: skip
    place = f"/office/catalogue/drafts/{draft}/"
    page = denis.post(f"{place}example/", fields).content.decode()
    assert "<span>base * </span><mark>f</mark><span>ue + 1</span>" in page
    assert "имя «fue» неизвестно" in page
    page = denis.post(
        f"{place}put/price/",
        fields | {"price.price.expression": "1 +", "do": "insert:price.price.expression:base"},
    ).content.decode()
    assert "1 + base</textarea>" in page
    for name in ("base", "units", "quantity", "events", "round(", "counter(&quot;calls&quot;)"):
        assert f'value="insert:price.price.expression:{name}"' in page, name
    page = denis.post(f"{place}example/", fields | {"price.price.expression": "base + 1"})
    assert 'data-sum="21.00"' in page.content.decode()


def test_every_model_has_its_form(denis: Client) -> None:
    path = f"/office/catalogue/drafts/{begun(denis)}/put/price/"
    for model, kind in MODELS.items():
        page = denis.post(path, {"do": "show", "price.price.model": model, "version": "1"})
        assert page.status_code == 200, model
        names = set(re.findall(r'name="price\.price\.([a-z_]+)', page.content.decode()))
        grouped = ("rows", "price", "named")
        simple = {one.name for one in shape_of(kind) if one.kind not in grouped}
        assert simple <= names, model


def test_the_other_objects_have_forms_too(denis: Client) -> None:
    forms = {
        "plan": {"plan.code": "max", "plan.name": "Максимум", "plan.cycle": "month"},
        "meter": {"meter.code": "sms", "meter.name": "СМС", "meter.aggregation": "count"},
        "discount": {"discount.code": "vip", "discount.name": "VIP", "discount.percent": "7,5"},
    }
    draft = begun(denis)
    for version, (kind, fields) in enumerate(forms.items(), 1):
        path = f"/office/catalogue/drafts/{draft}/put/{kind}/"
        assert denis.get(path).status_code == 200
        assert denis.post(path, {"version": str(version), **fields}).status_code == 302
    found = catalog.draft(draft)
    assert found is not None
    assert {kind: list(many) for kind, many in found.content.items()} == {
        "plan": ["max"], "meter": ["sms"], "discount": ["vip"],
    }  # fmt: skip


# --- simulate, publish ----------------------------------------------------------------------------


def test_from_the_plan_to_a_published_price(denis: Client) -> None:
    draft = begun(denis)
    compose(denis, draft)
    place = f"/office/catalogue/drafts/{draft}/"
    assert "0,12" in denis.get(place).content.decode()
    begun_ = denis.post("/office/catalogue/simulations/new/", {"draft": str(draft)})
    page = denis.get(begun_["Location"]).content.decode().replace("\N{NO-BREAK SPACE}", " ")
    # 1 000 × 0.12 + 9 000 × 0.05 = 570.00 in place of 1 000.00.
    assert "−430,00 ₽" in page
    export = denis.get(f"{begun_['Location']}export/")
    lines = b"".join(export.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert "south;ООО «Юг»;RUB;1000,00;1000,00;1000,00;0,00" in lines

    shown = denis.get(f"{place}publish/").content.decode()
    assert "Кого заденет" in shown
    published = denis.post(f"{place}publish/", {"version": "2", "reason": "дешевле"})
    assert published.status_code == 302
    [latest, *_] = catalog.history("pro")
    assert (latest.reason, latest.document["price"]) == ("дешевле", DOCUMENT["price"])
    again = denis.post(f"{place}publish/", {"version": "3", "reason": "дешевле"})
    assert again.status_code == 422


def test_without_the_right_nobody_publishes_and_the_attempt_is_kept(
    denis: Client, office: Office
) -> None:
    draft = begun(denis)
    compose(denis, draft)
    writer = office("product_manager", without={"catalogue.publish"})
    path = f"/office/catalogue/drafts/{draft}/publish/"
    refused = writer.post(path, {"version": "2", "reason": "x"})
    assert refused.status_code == 403
    found = catalog.draft(draft)
    assert found is not None
    assert found.status == "open"
    kept = AuditRow.objects.get(action="catalog.price.publication_refused")
    assert (kept.before["price"], kept.after["price"]) == (
        {"model": "per_unit", "unit": "0.1"}, DOCUMENT["price"],
    )  # fmt: skip
    assert kept.actor.startswith("user:")


# --- coupons and calendars ------------------------------------------------------------------------


def stated(denis: Client, kind: str, day: str, **fields: str) -> UUID:
    """Draft one object that holds from a day; return the draft."""
    sent = {"title": "Праздники", "kind": kind, "effective_from": day}
    place = denis.post("/office/catalogue/drafts/new/", sent)["Location"]
    named = {f"{kind}.{name}": value for name, value in fields.items()}
    assert denis.post(place, {"version": "1", **named}).status_code == 302
    return UUID(place.split("/")[4])


def published(denis: Client, draft: UUID) -> int:
    fields = {"version": "2", "reason": "к Новому году"}
    return int(denis.post(f"/office/catalogue/drafts/{draft}/publish/", fields).status_code)


def test_a_coupon_is_drafted_published_and_changed(denis: Client, office: Office) -> None:
    ten = {"code": "NY", "name": "Новый год", "percent": "10", "limit": "5"}
    draft = stated(denis, "coupon", "2099-12-01", **ten)
    assert catalog.coupons() == {}
    assert published(denis, draft) == 302
    [info] = catalog.coupon_infos().values()
    assert (info.terms.periods, info.starts) == (1, date(2099, 12, 1))
    with pytest.raises(CouponRefused, match="early"):
        redeem("NY", on=date(2099, 11, 30))
    assert redeem("NY", on=date(2099, 12, 1)).percent == 10

    later = stated(denis, "coupon", "2099-12-01", **ten | {"percent": "15"})
    page = denis.get(f"/office/catalogue/drafts/{later}/").content.decode()
    assert "Купон «NY» уже принимают" in page
    assert published(denis, later) == 422
    assert catalog.coupons()["NY"].percent == 10
    none_left = stated(denis, "coupon", "2026-01-01", **ten | {"limit": "1", "periods": "0"})
    assert published(denis, none_left) == 302
    info = catalog.coupon_infos()["NY"]
    assert (info.terms.limit, info.terms.periods, info.redeemed) == (1, None, 1)
    assert info.starts == date(2099, 12, 1)
    [latest, first] = catalog.stated_history("coupon", "NY")
    assert (latest.document["limit"], first.document["limit"], first.before) == (1, 5, None)
    card = denis.get("/office/catalogue/stated/coupon/NY/").content.decode()
    assert "погашен 1 раз" in card
    assert "к Новому году" in card

    nobody = stated(denis, "coupon", "2026-01-01", code="VIP", name="VIP", fixed="50")
    writer = office("product_manager", without={"catalogue.publish"})
    assert published(writer, nobody) == 403
    refused = AuditRow.objects.get(action="catalog.coupon.publication_refused")
    assert (refused.object_id, refused.after["fixed"]) == ("VIP", "50")
    assert "VIP" not in catalog.coupons()


def test_a_calendar_keeps_its_past_and_is_simulated(denis: Client) -> None:
    draft = stated(
        denis, "calendar", "2026-12-01", code="office", holidays="31.12.2026, 07.03.2026"
    )
    assert published(denis, draft) == 302
    march, december = date(2026, 3, 7), date(2026, 12, 31)
    assert catalog.days_of_calendars()["office"] == {march: "holiday", december: "holiday"}
    gone = stated(denis, "calendar", "2026-12-01", code="office", holidays="2026-12-31")
    page = denis.get(f"/office/catalogue/drafts/{gone}/").content.decode()
    assert "изменены дни раньше 2026-12-01: 2026-03-07" in page
    assert published(denis, gone) == 422
    works = stated(denis, "calendar", "2026-12-01", code="office", holidays="2026-03-07",
                   working="31.12.2026")  # fmt: skip
    supposed = supposing(catalog.catalogue(), catalog.terms_in(catalog.draft(works).content))  # type: ignore[union-attr]
    assert not supposed.calendars["office"].is_holiday(december)
    assert catalog.catalogue().calendars["office"].is_holiday(december)
    assert (
        denis.post("/office/catalogue/simulations/new/", {"draft": str(works)}).status_code == 302
    )
    assert published(denis, works) == 302
    assert catalog.days_of_calendars()["office"] == {march: "holiday", december: "working"}
    twice = {"calendar.code": "office", "calendar.holidays": "2026-01-01", "version": "1",
             "calendar.working": "2026-01-01"}  # fmt: skip
    place = denis.post("/office/catalogue/drafts/new/", {"kind": "calendar"})["Location"]
    assert denis.post(place, twice).status_code == 422


# --- subscriptions --------------------------------------------------------------------------------


def test_a_change_is_shown_made_and_taken_back(office: Office, company: Tenant) -> None:
    olga = office("support")
    path = "/office/subscriptions/n-1/change/"
    fields = {"change": "plan", "at": "2026-12-01", "value": "pre", "do": "preview"}
    page = olga.post(path, fields).content.decode()
    token = re.findall(r'name="token" value="([^"]+)"', page)[0]
    assert "+244,00" in page
    stale = olga.post(path, fields | {"do": "make", "token": "x", "reason": "просил"})
    assert (stale.status_code, Amendment.objects.count()) == (422, 0)
    made = olga.post(path, fields | {"do": "make", "token": token, "reason": "просил"})
    assert made["Location"] == "/office/subscriptions/n-1/"
    card = olga.get(made["Location"]).content.decode()
    assert "просил" in card
    back = olga.get("/office/subscriptions/n-1/withdraw/1/").content.decode()
    token = re.findall(r'name="token" value="([^"]+)"', back)[0]
    sent = {"do": "make", "token": token, "reason": "передумал"}
    assert olga.post("/office/subscriptions/n-1/withdraw/1/", sent).status_code == 302
    assert [one.change for one in Amendment.objects.order_by("number")] == ["plan", "withdraw"]


def test_changes_from_a_file_are_judged_row_by_row(office: Office, company: Tenant) -> None:
    olga = office("support")
    text = "subscription,at,change,value\nn-1,2026-12-01,plan,pre\ns-1,2026-12-01,plan,gone\n"
    path = "/office/subscriptions/bulk/"
    dry = olga.post(path, {"file": SimpleUploadedFile("c.csv", text.encode()), "reason": "x"})
    page = dry.content.decode()
    assert dry.status_code == 422
    assert 'name="token"' not in page
    good = text.replace("gone", "pre")
    dry = olga.post(path, {"file": SimpleUploadedFile("c.csv", good.encode()), "reason": "x"})
    token = re.findall(r'name="token" value="([^"]+)"', dry.content.decode())[0]
    sent = {"do": "make", "text": good, "name": "c.csv", "reason": "x", "token": token}
    assert olga.post(path, sent).status_code == 302
    assert Amendment.objects.count() == 2


def test_an_own_price_is_composed_in_the_same_form(office: Office, company: Tenant) -> None:
    olga = office("support")
    fields = {
        "change": "terms", "at": "2026-12-01", "price": "fee", "own.model": "flat",
        "own.amount": "500", "do": "preview",
    }  # fmt: skip
    page = olga.post("/office/subscriptions/n-1/change/", fields).content.decode()
    assert "−610,00" in page  # 1 220.00 becomes 610.00 with VAT


def test_a_subscription_is_opened_on_a_page(office: Office, company: Tenant) -> None:
    olga = office("support")
    fields = {"customer": "south", "plan": "pre", "code": "Д-1/26", "start": "2026-12-01",
              "quantity": "2"}  # fmt: skip
    made = olga.post("/office/subscriptions/new/", fields)
    assert made.status_code == 302
    assert olga.get(made["Location"]).status_code == 200
    assert olga.post("/office/subscriptions/new/", fields).status_code == 422


@pytest.mark.parametrize(("currency", "drawn"), [("JPY", 1500), ("KWD", 1.5), ("RUB", 15.0)])
def test_bars_of_a_simulation_count_in_the_digits_of_their_currency(
    currency: str, drawn: float, now: datetime
) -> None:
    dearer = Scenario(draft=uuid7(), title="Dearer", version=1, content={})
    month = parse_billing_period("2026-10")
    info = SimulationInfo(
        uuid7(), month, 1, 1, (dearer,), "done", 1, 1, None, (), "cli:x", now, now
    )
    outcome = Outcome(0, currency, 1500, 1500, 3000, 1500, 1, 1, 1500, 0, 0)
    chart = _chart(info, [outcome])
    assert chart is not None
    assert [one["data"] for one in chart["series"]] == [[drawn], [2 * drawn]]
