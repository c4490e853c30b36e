"""Anything that is typed leads to what it means, in either keyboard layout, and no further than
one's rights."""

from collections.abc import Iterator

import pytest
from django.utils.translation import override

from kvit.web import finding
from kvit.web.finding import find
from kvit.web.office.search import COMMANDS
from kvit.web.operators import OperatorWrong
from tests.invoicing import company
from tests.web.conftest import Office

ALL = frozenset(
    {"invoices.read", "customers.read", "subscriptions.read", "usage.read", "catalogue.read"}
)


@pytest.fixture(autouse=True)
def billed(tenant: object) -> Iterator[None]:
    company.found()
    company.bill()
    with override("ru"):  # a page that was asked for before in this process may have been English
        yield


def found(text: str, rights: frozenset[str] = ALL) -> list[tuple[str, str]]:
    answer = find(text, rights=rights, lang="ru", currency="RUB")
    return [(one.kind, one.title.replace("\xa0", " ")) for one in answer.found]


NORTH = ("invoice", "Счёт № 2026-00001 на 2 440,00 ₽")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-00001", [NORTH]),
        ("1", [NORTH]),
        ("№ 1", [NORTH]),
        ("счёт 1", [NORTH]),
        ("cxtn 1", [NORTH]),
        ("2440", [NORTH]),
        ("2 440,00", [NORTH]),
        ("2440.5", []),
        ("2\N{NO-BREAK SPACE}440,00\N{NO-BREAK SPACE}₽", [NORTH]),  # as it is copied from a page
        ("2,440.00", []),
        ("северу", [("customer", "ООО «Север»")]),
        ("ctdth", [("customer", "ООО «Север»")]),
        ("клиент юг", [("customer", "ООО «Юг»")]),
        ("N-1", [("subscription", "Подписка n-1")]),
        ("n-1/2026-10-10/10000", [("event", "Событие n-1/2026-10-10/10000")]),
        ("профи", [("plan", "Тариф «Профи»")]),
        ("ghjab", [("plan", "Тариф «Профи»")]),
        ("тариф про", [("plan", "Тариф «Профи»")]),
        ("такого нет", []),
        ("сумма:2440", [NORTH]),
        ("сумма:>2440", []),
        ("сумма:>=2440,00", [NORTH]),
        ("сумма:>2439,99", [NORTH]),
        ("сумма:2000..3000", [NORTH]),
        ("sum:<1220", []),
        ("cevvf:>2000", [NORTH]),
        ("клиент:север сумма:>1", [NORTH]),
        ("клиент:ctdth сумма:>1", [NORTH]),
        ("клиент:юг сумма:>2000", []),
        ("клиент:юг", [("customer", "ООО «Юг»")]),
        ("счёт:2026-00001", [NORTH]),
        ("счёт:1 клиент:юг", []),
        ("сумма:>2000 период:2026-10", [NORTH]),
        ("сумма:>2000 период:2026-09", []),
        ("сумма:>2000 дата:<2026-10-31", []),
        ("сумма:>2000 дата:2026-10-31", [NORTH]),
        ("подписка:n-1", [("subscription", "Подписка n-1")]),
        ("событие:n-1/2026-10-10/10000", [("event", "Событие n-1/2026-10-10/10000")]),
        ("   ", []),
        ("\x00", []),
    ],
)
def test_what_is_typed_finds_what_is_meant(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize("text", ["2,440.00", "₽2,440.00", "2440", "sum:>2,439", "sum:2,440.00"])
def test_an_english_reader_types_a_sum_as_pages_show_it(text: str) -> None:
    with override("en"):
        assert found(text) == [NORTH]


@pytest.mark.parametrize("text", ["сумма:много", "сумма:>", "сумма:1..", "сумма:1,001"])
def test_a_sum_that_is_none_says_how_it_is_written(office: Office, text: str) -> None:
    with pytest.raises(OperatorWrong, match=r"sum:>5000"):
        found(text)
    page = office("accountant").get("/office/search/", {"q": text})
    assert (page.status_code, "сумма:1000..2000" in page.content.decode()) == (200, True)


@pytest.mark.parametrize("text", ["дата:вчера", "сумма:1 период:2026-13", "дата:2026-02-30"])
def test_a_day_that_is_none_says_how_it_is_written(text: str) -> None:
    with pytest.raises(OperatorWrong, match=r"period:2026-10"):
        found(text)


def test_operators_find_nothing_beyond_ones_rights() -> None:
    assert found("сумма:>1", ALL - {"invoices.read"}) == []
    assert found("клиент:юг", ALL - {"customers.read"}) == []


def test_the_other_layout_is_told() -> None:
    assert find("cxtn 1", rights=ALL, lang="ru", currency="RUB").meant == "счет 1"
    assert find("счёт 1", rights=ALL, lang="ru", currency="RUB").meant == ""


def test_nothing_is_found_beyond_ones_rights() -> None:
    assert found("2026-00001", ALL - {"invoices.read"}) == []
    assert found("северу", frozenset()) == []


@pytest.mark.parametrize(
    ("text", "minor"),
    [("4950", 495_000), ("4 950,5", 495_050), ("-12", -1_200), ("1,234", None), ("x", None),
     ("1" * 30, None)],
)  # fmt: skip
def test_a_sum_is_read_as_it_is_typed(text: str, minor: int | None) -> None:
    assert finding._minor(text, "RUB") == minor


def test_go_opens_the_one_thing(office: Office) -> None:
    client = office("accountant")
    key = company.invoice("north").id
    for text in ("2026-00001", "cxtn 1", "2440", str(key)):
        answer = client.get(f"/office/go/{text}")
        assert (answer.status_code, answer["Location"]) == (302, f"/office/invoices/{key}/"), text
    customer = company.customer_id("north")
    for text in ("северу", "north", str(customer)):
        assert client.get(f"/office/go/{text}")["Location"] == f"/office/customers/{customer}/"


def test_go_shows_what_may_be_meant(office: Office) -> None:
    page = office("accountant").get("/office/go/2026").content.decode()
    assert "Ищите по номеру" in page or "2026" in page
    page = office("accountant").get("/office/search/?q=оборот").content.decode()
    assert "/office/ledger/osv/" in page


def test_every_command_of_the_palette_opens_a_page(office: Office) -> None:
    page = office("owner").get("/office/search/", headers={"hx-request": "true"})
    said = [one["title"] for one in page.context["commands"]]
    assert said == [one.title for one in COMMANDS]


def test_the_palette_lists_only_what_is_permitted(office: Office) -> None:
    parts = {"HX-Request": "true"}
    owner = office("owner").get("/office/search/", headers=parts).content.decode()
    auditor = office("auditor").get("/office/search/", headers=parts).content.decode()
    assert "Добавить клиента" in owner
    assert "Добавить клиента" not in auditor
    assert "<html" not in owner
