"""The payment code: what stands in it, and when there is none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.documents.payment_qr import payment_payload, payment_purpose
from tests.documents.sheets import CUSTOMER, ORIGINAL, document, line, seller

# How bank statements are read back: facts/russia.md 4.8.
VAT_TAIL = re.compile(r"в т\.?\s*ч\.?\s*НДС\s*(?:\(?(\d{1,2})%\)?)?\s*[-–]?\s*([\d ]+[.,-]\d{2})")


def fields_of(payload: bytes | None) -> dict[str, str]:
    assert payload is not None
    header, *fields = payload.decode().split("|")
    assert header == "ST00012"
    return dict(field.split("=", 1) for field in fields)


def test_worked_example() -> None:
    assert (
        payment_payload(document())
        == (
            "ST00012|Name=ООО «Северный Контур»|PersonalAcc=40702810510000710417"
            "|BankName=АО «ТБанк», г. Москва|BIC=044525974|CorrespAcc=30101810145250000974"
            "|Sum=2215009|Purpose=Оплата по счёту № 2026-00001 от 31.10.2026,"
            " в т.ч. НДС 22% - 3994.28 руб.|PayeeINN=7701234567|KPP=770101001"
        ).encode()
    )


@pytest.mark.parametrize("missing", ["name", "account", "bank", "bik", "correspondent"])
def test_a_missing_requisite_leaves_the_document_without_a_code(missing: str) -> None:
    assert payment_payload(document(seller=seller(**{missing: ""}))) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account", "4070281051000071041"),
        ("account", "4070281051000071041A"),
        ("account", "٤0702810510000710417"),
        ("bik", "04452597"),
        ("correspondent", "3010181014525000097"),
        ("inn", "770123456"),
        ("inn", "77012345678"),
        ("kpp", "77010100"),
    ],
)
def test_a_malformed_requisite_leaves_the_document_without_a_code(name: str, value: str) -> None:
    assert payment_payload(document(seller=seller(**{name: value}))) is None


def test_a_treasury_account_needs_no_correspondent() -> None:
    treasury = seller(bik="017003983", correspondent="")
    assert fields_of(payment_payload(document(seller=treasury)))["CorrespAcc"] == "0"


def test_optional_requisites_may_be_absent() -> None:
    fields = fields_of(payment_payload(document(seller=seller(inn="", kpp=""))))
    assert {"PayeeINN", "KPP"}.isdisjoint(fields)


@pytest.mark.parametrize("fields", [{"currency": "CAD"}, {"kind": "act"}])
def test_no_code_where_no_roubles_are_asked_for(fields: dict[str, str]) -> None:
    assert payment_payload(document(**fields)) is None


@pytest.mark.parametrize(("kind", "net"), [("invoice", 0), ("credit_note", -100), ("reversal", -1)])
def test_no_code_where_nothing_is_left_to_pay(kind: str, net: int) -> None:
    bill = document(line("x", net), kind=kind, corrects=ORIGINAL, reason="ошибка")
    assert payment_payload(bill) is None


def test_a_debit_note_asks_for_its_difference() -> None:
    note = document(line("x", 1000), kind="debit_note", corrects=ORIGINAL, reason="ошибка")
    assert fields_of(payment_payload(note))["Sum"] == "1220"


@pytest.mark.parametrize(
    ("lines", "tail"),
    [
        ([line("a", 10000)], ("22", "22.00")),
        ([line("a", 10000), line("b", 10000, None)], (None, "22.00")),
        ([line("a", 10000, 0)], ("0", "0.00")),
    ],
)
def test_the_purpose_names_the_vat_as_banks_read_it(
    lines: list, tail: tuple[str | None, str]
) -> None:
    found = VAT_TAIL.search(payment_purpose(document(*lines)))
    assert found is not None
    assert found.groups() == tail


def test_the_purpose_says_that_there_is_no_vat() -> None:
    purpose = payment_purpose(document(line("a", 10000, None)))
    assert purpose == "Оплата по счёту № 2026-00001 от 31.10.2026, без НДС"


def test_a_long_purpose_is_shortened_before_its_vat() -> None:
    purpose = payment_purpose(document(purpose="За услуги связи " * 40))
    assert len(purpose) <= 210
    assert purpose.endswith(", в т.ч. НДС 22% - 3994.28 руб.")


def test_values_cannot_forge_a_field() -> None:
    forger = seller(name="ООО «А»|Sum=1|PersonalAcc=0\n\x00\u202eХ", bank="Банк" * 30)
    fields = fields_of(payment_payload(document(seller=forger)))
    assert fields["Name"] == "ООО «А»/Sum=1/PersonalAcc=0 Х"
    assert fields["BankName"] == ("Банк" * 30)[:45]
    assert fields["Sum"] == "2215009"


@given(name=st.text(min_size=1), bank=st.text(min_size=1), purpose=st.text())
def test_every_code_keeps_to_the_standard(name: str, bank: str, purpose: str) -> None:
    payload = payment_payload(document(seller=seller(name=name, bank=bank), purpose=purpose))
    if payload is None:
        return
    fields = fields_of(payload)
    assert list(fields)[:5] == ["Name", "PersonalAcc", "BankName", "BIC", "CorrespAcc"]
    limits = {"Name": 160, "BankName": 45, "Purpose": 210}
    assert all(0 < len(fields[key]) <= limit for key, limit in limits.items())
    assert (fields["Sum"], fields["PayeeINN"]) == ("2215009", "7701234567")
    assert all(value.isprintable() for value in fields.values())


def test_the_payer_is_not_in_the_code() -> None:
    payload = payment_payload(document())
    assert payload is not None
    assert CUSTOMER.name.encode() not in payload
