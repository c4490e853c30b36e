"""What the sheet says, before it is paper."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.documents.document import Discount, InvoiceDocument, Party
from kvit.documents.layout import WORDS, sheet
from tests.documents.sheets import CANADIAN, ORIGINAL, document, line


def read(document: InvoiceDocument) -> dict[str, Any]:
    """The sheet with ordinary spaces, as a reader sees it."""
    return plain(sheet(document, None))


def plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\xa0", " ")
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def totals(document: InvoiceDocument) -> list[tuple[str, str]]:
    return [(row["label"], row["value"]) for row in read(document)["totals"]]


def test_the_demo_invoice() -> None:
    page = read(document(basis="Договор № 12 от 1 февраля 2026 г."))
    assert page["title"] == "Счёт на оплату № 2026-00001 от 31 октября 2026 г."
    assert page["words"] == "Двадцать две тысячи сто пятьдесят рублей 09 копеек"
    assert page["count"] == (
        "Всего наименований 4, на сумму 22 150,09 ₽, в том числе НДС 3 994,28 ₽"
    )
    assert [(row["label"], row["value"]) for row in page["facts"]] == [
        ("Поставщик", "ООО «Северный Контур»"),
        ("Покупатель", "ООО «Ромашка»"),
        ("Основание", "Договор № 12 от 1 февраля 2026 г."),
        ("Период", "октябрь 2026 г."),
    ]
    assert page["columns"] == ["no", "name", "units", "unit", "price", "sum"]
    assert page["head"]["sum"] == "Сумма, ₽"


def test_vat_on_top_of_net_prices() -> None:
    assert totals(document()) == [
        ("Итого без НДС:", "18 155,81"),
        ("НДС 22 %:", "3 994,28"),
        ("Всего к оплате:", "22 150,09 ₽"),
    ]


def test_vat_inside_gross_prices() -> None:
    assert totals(document(price_basis="gross")) == [
        ("Итого:", "22 150,09"),
        ("В том числе НДС 22 %:", "3 994,28"),
        ("Всего к оплате:", "22 150,09 ₽"),
    ]


def test_without_vat() -> None:
    untaxed = document(line("Обучение", 100000, None))
    assert totals(untaxed) == [
        ("Итого:", "1 000,00"),
        ("Без НДС:", "—"),
        ("Всего к оплате:", "1 000,00 ₽"),
    ]
    assert read(untaxed)["count"] == "Всего наименований 1, на сумму 1 000,00 ₽, без НДС"


def test_several_rates_have_a_column_and_a_row_each() -> None:
    mixed = document(line("a", 1000), line("b", 1000, Fraction(10)), line("c", 1000, None))
    page = read(mixed)
    assert "vat" in page["columns"]
    assert [row["vat"] for row in page["lines"]] == ["22 %", "10 %", "без НДС"]
    assert totals(mixed)[1:3] == [("НДС 22 %:", "2,20"), ("НДС 10 %:", "1,00")]


def test_discounts_stand_below_their_line_and_the_column_adds_up() -> None:
    second = read(document())["lines"][1]
    assert second["sum"] == "5 161,29"
    assert second["discounts"] == [{"name": "Скидка: VIP, 15 %", "sum": "−774,19"}]


@given(
    nets=st.lists(st.integers(0, 10**12), min_size=1, max_size=6),
    discounts=st.lists(st.integers(0, 10**9), max_size=4),
    basis=st.sampled_from(["net", "gross"]),
)
def test_every_shown_column_sums_to_its_shown_subtotal(
    nets: list[int], discounts: list[int], basis: str
) -> None:
    taken = tuple(Discount("скидка", amount) for amount in discounts)
    page = read(document(*(line("x", net, discounts=taken) for net in nets), price_basis=basis))
    shown = [row["sum"] for row in page["lines"]]
    shown += [below["sum"] for row in page["lines"] for below in row["discounts"]]
    assert sum(map(kopecks, shown)) == kopecks(page["totals"][0]["value"])


def kopecks(shown: str) -> int:
    return int(shown.replace(" ", "").replace(",", "").replace("−", "-"))


def test_a_price_column_appears_only_where_there_is_a_price() -> None:
    assert "price" not in read(document(line("a", 100)))["columns"]
    lines = read(document(line("a", 100), line("b", 100, price_text="1,00")))["lines"]
    assert [row["price"] for row in lines] == ["—", "1,00"]


@pytest.mark.parametrize(
    ("kind", "net", "title", "total", "count"),
    [
        (
            "credit_note", -124000, "Кредит-нота № К-7 от 31 октября 2026 г.",
            ("Всего к уменьшению:", "−1 512,80 ₽"),
            "Всего наименований 1, сумма к оплате уменьшается на 1 512,80 ₽, "
            "в том числе НДС 272,80 ₽",
        ),
        (
            "reversal", -124000, "Сторно № К-7 от 31 октября 2026 г.",
            ("Всего сторнировано:", "−1 512,80 ₽"),
            "Всего наименований 1, сторнировано на сумму 1 512,80 ₽, в том числе НДС 272,80 ₽",
        ),
        (
            "debit_note", 124000, "Корректировочный счёт № К-7 от 31 октября 2026 г.",
            ("Всего к доплате:", "1 512,80 ₽"),
            "Всего наименований 1, сумма к оплате увеличивается на 1 512,80 ₽, "
            "в том числе НДС 272,80 ₽",
        ),
    ],
)  # fmt: skip
def test_a_correction_names_what_it_corrects_and_why(
    kind: str, net: int, title: str, total: tuple[str, str], count: str
) -> None:
    note = document(
        line("Вызовы API", net), kind=kind, number="К-7", corrects=ORIGINAL, reason="Сбой обмена"
    )
    page = read(note)
    assert page["title"] == title
    assert page["subtitles"] == ["к счёту на оплату № 2026-00001 от 31 октября 2026 г."]
    assert ("Причина", "Сбой обмена") in [(row["label"], row["value"]) for row in page["facts"]]
    assert (totals(note)[-1], page["count"]) == (total, count)
    assert page["words"] == "Одна тысяча пятьсот двенадцать рублей 80 копеек"
    assert (page["bank"] is not None) == (kind == "debit_note")


def test_an_act_is_signed_by_both_sides() -> None:
    page = read(document(kind="act"))
    assert page["title"] == "Акт оказанных услуг № 2026-00001 от 31 октября 2026 г."
    assert [(side["title"], side["position"], side["name"]) for side in page["signatures"]] == [
        ("Исполнитель", "Генеральный директор", "Контурова Е. А."),
        ("Заказчик", "Руководитель", "Лепесткова М. И."),
    ]
    assert page["notes"][0].startswith("Вышеперечисленные услуги оказаны полностью и в срок.")
    assert page["bank"] is None


def test_a_corrected_act_names_the_act() -> None:
    page = read(document(line("x", -100), kind="act", corrects=ORIGINAL, reason="Сбой обмена"))
    assert page["title"].startswith("Корректировочный акт № ")
    assert page["subtitles"] == ["к акту № 2026-00001 от 31 октября 2026 г."]


def test_an_invoice_in_english_and_canadian_dollars() -> None:
    bill = document(
        line("Electricity, off-peak", 2420, None, unit_name="kWh"),
        lang="en", currency="CAD", seller=CANADIAN, customer=Party("Household 12", "person"),
    )  # fmt: skip
    page = read(bill)
    assert page["title"] == "Invoice No. 2026-00001 of 31 October 2026"
    assert page["head"]["sum"] == "Amount, CA$"
    assert page["words"] == "Twenty-four Canadian dollars 20 cents"
    assert totals(bill) == [("Subtotal:", "24.20"), ("VAT:", "—"), ("Total due:", "CA$24.20")]
    assert page["bank"] is None


def test_a_currency_without_minor_units_and_one_whose_sign_the_typeface_lacks() -> None:
    assert totals(document(line("a", 1500, None), currency="JPY"))[-1][1] == "1 500 ¥"
    assert totals(document(line("a", 1500, None), currency="KZT"))[-1][1] == "15,00 KZT"


def test_text_is_stripped_of_what_would_turn_or_break_a_sheet() -> None:
    name = "A\x00B\u202ecod\u202c\n\ud800" + "Ж" * 60
    shown = read(document(line(name, 100)))["lines"][0]["name"]
    assert shown.startswith("A Bcod ")
    assert max(len(run) for word in shown.split() for run in word.split("\u200b")) <= 24
    assert shown.count("Ж") == 60


def test_every_text_stands_in_both_languages() -> None:
    silent = {"position_person", "stamp", "count_no_vat"}  # no words for it, on purpose
    assert [key for key, pair in WORDS.items() if not all(pair) and key not in silent] == []
