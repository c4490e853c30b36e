"""Corrections over the API: looked at first, then made exactly so."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from pydantic import Field

from kvit.invoicing import services
from kvit.invoicing.services import CorrectionIn, CorrectionPreview
from kvit.web.api.core import Router, operation
from kvit.web.api.invoices import InvoiceOut, codes_of, row_of, shown
from kvit.web.api.schemas import Bool, Code, Day, Input, Int, Money, Reason, Schema
from kvit.web.api.sums import Sum, minor_of

TAG = ("Исправления", "Corrections")
router = Router()


class CorrectionLineIn(Input):
    """A line by its position. `amount` is in major units and the line's own basis; without it all
    that is left of the line is credited."""

    line: Int = Field(ge=1, le=1_000_000)
    amount: Sum | None = None


class WantedIn(Input):
    """What shall be corrected. A void takes no lines."""

    way: Literal["credit", "debit", "void"]
    lines: list[CorrectionLineIn] = Field([], max_length=10_000)
    issue_on: Day | None = None
    again: Bool = Field(False, description="Of a void: the next run bills the service anew.")

    def wanted(self, currency: str) -> CorrectionIn:
        lines = {
            one.line: None if one.amount is None else minor_of(one.amount, currency)
            for one in self.lines
        }
        return CorrectionIn(self.way, lines, issue_on=self.issue_on, again=self.again)


class CorrectIn(WantedIn):
    """With the token of the preview whose figures must hold, and the reason."""

    token: Code
    reason: Reason


class SumsOut(Schema):
    """Net + VAT = total."""

    net: Money
    vat: Money
    total: Money


class EffectOut(Schema):
    """What the correction makes of a line."""

    line: int
    name: str
    before: SumsOut
    change: SumsOut
    after: SumsOut


class PostingOut(Schema):
    """One pair of the books."""

    debit: str
    credit: str
    amount: Money
    effective_on: date


class PreviewOut(Schema):
    """What the correction would be; hand `token` back to make exactly that."""

    kind: str
    issued_on: date | None
    waits_for: str
    approvers: list[str] = Field(
        description="Of one above the caller's own limit: who may approve it."
    )
    before: SumsOut
    change: SumsOut
    after: SumsOut
    lines: list[EffectOut]
    postings: list[PostingOut]
    token: str


@operation(
    router, "POST", "/invoices/{invoice}/correction-preview", right="invoices.correct",
    response=PreviewOut,
)  # fmt: skip
def preview_correction(request: HttpRequest, invoice: UUID, body: WantedIn) -> PreviewOut:
    """What a correction would be: lines, VAT, postings. Nothing is left of it."""
    row = row_of(invoice)
    found = services.preview_correction(
        invoice, body.wanted(row.currency), author=request.principal.actor, now=request.now
    )
    return _preview(found)


@operation(
    router, "POST", "/invoices/{invoice}/corrections", right="invoices.correct", status=201,
    response=InvoiceOut,
)  # fmt: skip
def correct_invoice(request: HttpRequest, invoice: UUID, body: CorrectIn) -> InvoiceOut:
    """Make the correction that was previewed; refused where it would come to anything else."""
    row = row_of(invoice)
    made = services.correct_as_previewed(
        invoice, body.wanted(row.currency), token=body.token, reason=body.reason,
        author=request.principal.actor, now=request.now,
    )  # fmt: skip
    document = row_of(made)
    return shown(document, codes_of([document]))


def _preview(found: CorrectionPreview) -> PreviewOut:
    def sums(one: Any) -> SumsOut:
        return SumsOut(
            net=Money.of(one.net, found.currency),
            vat=Money.of(one.vat, found.currency),
            total=Money.of(one.total, found.currency),
        )

    return PreviewOut(
        kind=found.kind,
        issued_on=found.issued_on,
        waits_for=found.waits_for,
        approvers=list(found.approvers),
        before=sums(found.before),
        change=sums(found.change),
        after=sums(found.after),
        lines=[
            EffectOut(
                line=one.position, name=one.name, before=sums(one.before),
                change=sums(one.change), after=sums(one.after),
            )
            for one in found.lines
        ],
        postings=[
            PostingOut(
                debit=one.debit, credit=one.credit,
                amount=Money.of(one.amount_minor, one.currency), effective_on=one.effective_on,
            )
            for one in found.postings
        ],
        token=found.token,
    )  # fmt: skip
