"""A document that does not add up cannot be made."""

from fractions import Fraction

import pytest

from kvit.core.money import UnknownCurrency
from kvit.documents.document import (
    CorrectionIncomplete,
    DocumentLine,
    DocumentSumsDisagree,
    VatShare,
    vat_shares,
)
from tests.documents.sheets import ORIGINAL, SAAS_LINES, VAT_22, document, line


def test_the_demo_invoice_adds_up() -> None:
    invoice = document()
    assert (invoice.net_minor, invoice.vat_minor, invoice.total_minor) == (1815581, 399428, 2215009)


@pytest.mark.parametrize("column", ["net_minor", "vat_minor", "total_minor"])
def test_a_column_that_does_not_sum_is_refused(column: str) -> None:
    with pytest.raises(DocumentSumsDisagree, match="its lines give"):
        document(**{column: 1})


def test_a_line_that_does_not_sum_is_refused() -> None:
    crooked = DocumentLine("x", "1", "шт.", 100, 22, 123, VAT_22)
    with pytest.raises(DocumentSumsDisagree, match="line 2: net"):
        document(line("a", 100), crooked)


def test_vat_on_a_line_without_vat_is_refused() -> None:
    with pytest.raises(DocumentSumsDisagree, match="without VAT"):
        document(DocumentLine("x", "1", "шт.", 100, 22, 122, None))


@pytest.mark.parametrize(
    ("kind", "net"), [("invoice", -1), ("debit_note", -1), ("credit_note", 1), ("reversal", 1)]
)
def test_a_total_of_the_wrong_sign_is_refused(kind: str, net: int) -> None:
    with pytest.raises(DocumentSumsDisagree, match="fits no such kind"):
        document(line("x", net), kind=kind, corrects=ORIGINAL, reason="ошибка")


@pytest.mark.parametrize("kind", ["credit_note", "debit_note", "reversal"])
@pytest.mark.parametrize("fields", [{}, {"corrects": ORIGINAL}, {"reason": "ошибка"}])
def test_a_correction_names_its_original_and_the_reason(
    kind: str, fields: dict[str, object]
) -> None:
    with pytest.raises(CorrectionIncomplete):
        document(line("x", 0), kind=kind, **fields)


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(UnknownCurrency):
        document(currency="RUR")


def test_vat_is_shown_by_rate_with_the_highest_first_and_none_last() -> None:
    lines = (line("a", 100, None), line("b", 200, Fraction(0)), *SAAS_LINES)
    assert vat_shares(lines) == (
        VatShare(VAT_22, 1815581, 399428),
        VatShare(Fraction(0), 200, 0),
        VatShare(None, 100, 0),
    )
