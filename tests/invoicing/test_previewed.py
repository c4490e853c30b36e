"""A correction is shown before it is made, and comes to what was shown or is not made."""

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvit.core.tax import TaxedLine
from kvit.invoicing import queries, services
from kvit.invoicing.models import FreedCharge, Invoice, InvoiceLine, NumberSeries
from kvit.invoicing.services import CorrectionIn, CorrectionRefused
from kvit.ledger.models import Posting
from kvit.platform.models import AuditRow, EventLog
from kvit.rating.models import Charge
from tests.invoicing.company import ACTOR, LATER, invoice

pytestmark = pytest.mark.usefixtures("billed")
MODELS = (Invoice, InvoiceLine, Posting, EventLog, AuditRow, Charge, FreedCharge)


def counts() -> tuple[object, ...]:
    series = list(NumberSeries.objects.values_list("last", flat=True))
    return (*(model.objects.count() for model in MODELS), series)


def preview(wanted: CorrectionIn) -> services.CorrectionPreview:
    return services.preview_correction(invoice().id, wanted, author=ACTOR, now=LATER)


def do(wanted: CorrectionIn, token: str, reason: str = "Простой") -> Any:
    key = services.correct_as_previewed(
        invoice().id, wanted, token=token, reason=reason, author=ACTOR, now=LATER
    )
    return queries.by_ids([key])[0]


def test_a_preview_shows_lines_vat_postings_and_leaves_nothing() -> None:
    before = counts()
    seen = preview(CorrectionIn("credit", {1: 30_000, 2: None}))
    assert counts() == before
    assert (seen.kind, seen.waits_for, seen.issued_on) == ("credit_note", "", date(2026, 11, 10))
    assert [(one.position, one.before, one.change, one.after) for one in seen.lines] == [
        (1, TaxedLine(100_000, 22_000, 122_000), TaxedLine(-30_000, -6_600, -36_600),
         TaxedLine(70_000, 15_400, 85_400)),
        (2, TaxedLine(100_000, 22_000, 122_000), TaxedLine(-100_000, -22_000, -122_000),
         TaxedLine(0, 0, 0)),
    ]  # fmt: skip
    assert (seen.before.total, seen.change.total, seen.after.total) == (244_000, -158_600, 85_400)
    assert [(one.debit, one.credit, one.amount_minor) for one in seen.postings] == [
        ("90.01", "62.01", 158_600),
        ("68.02", "90.03", 28_600),
    ]


@pytest.mark.parametrize(
    "wanted",
    [
        CorrectionIn("credit", {1: 30_000}),
        CorrectionIn("debit", {2: 1_001}),
        CorrectionIn("void"),
        CorrectionIn("void", again=True, issue_on=date(2026, 11, 12)),
    ],
)
def test_what_is_done_is_what_was_shown(wanted: CorrectionIn) -> None:
    seen = preview(wanted)
    made = do(wanted, seen.token)
    assert (made.kind, made.total_minor, made.issued_on, made.reason) == (
        seen.kind, seen.change.total, seen.issued_on, "Простой",
    )  # fmt: skip
    left = services.standing(invoice().id)
    assert left is not None
    assert left.left == seen.after
    assert left.void == (wanted.way == "void")


def test_a_preview_that_is_old_is_refused_and_changes_nothing() -> None:
    wanted = CorrectionIn("void")
    seen = preview(wanted)
    services.credit(invoice().id, {1: 1}, reason="Раньше", author=ACTOR, now=LATER)
    before = counts()
    with pytest.raises(CorrectionRefused) as refused:
        do(wanted, seen.token)
    assert refused.value.code == "preview_is_old"
    assert "244 000" not in refused.value.text("ru")
    assert "2 439,99\xa0₽" in refused.value.text("ru").replace("2\xa0439", "2 439")
    assert counts() == before


def test_a_reason_is_asked_for_when_it_is_done() -> None:
    wanted = CorrectionIn("credit", {1: 100})
    seen = preview(wanted)
    before = counts()
    with pytest.raises(CorrectionRefused, match="without a reason"):
        do(wanted, seen.token, reason=" ")
    assert counts() == before


def test_limits_are_told_line_by_line() -> None:
    services.credit(invoice().id, {1: 30_000}, reason="Простой", author=ACTOR, now=LATER)
    left = services.standing(invoice().id)
    assert left is not None
    assert [(one.position, one.most_minor, one.vat_rate) for one in left.lines] == [
        (1, 70_000, "22"),
        (2, 100_000, "22"),
    ]
    with pytest.raises(CorrectionRefused, match="At most"):
        preview(CorrectionIn("credit", {1: 70_001}))
    assert services.standing(queries.corrections_of(invoice().id)[0].id) is None


@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.dictionaries(st.sampled_from([1, 2]), st.integers(1, 9_000), min_size=1))
def test_every_credit_comes_to_its_preview(lines: dict[int, int]) -> None:
    """Applied = previewed to the kopeck, as the credits of earlier examples pile up."""
    standing = services.standing(invoice().id)
    assert standing is not None
    room = {one.position: one.most_minor for one in standing.lines}
    wanted = CorrectionIn(
        "credit", {line: min(asked, room[line]) for line, asked in lines.items() if room[line]}
    )
    if not wanted.lines:
        return
    seen = preview(wanted)
    assert do(wanted, seen.token).total_minor == seen.change.total
