"""A correction shown before it is made: made by the very services, looked at, and rolled back.

What is then done must come to what was shown: the caller hands back the preview's token, and where
the figures have changed since (another correction, a later day) nothing is done.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import orjson
from django.db import transaction

from kvit.core.money import Money
from kvit.core.tax import NOTHING, TaxedLine
from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.invoicing.services._corrections import CorrectionRefused, credit, debit, void
from kvit.invoicing.services._family import Family, families, family_seen
from kvit.invoicing.services._preview import rolled_back
from kvit.ledger import queries as ledger
from kvit.parties.limits import who_covers

Way = Literal["credit", "debit", "void"]


@dataclass(frozen=True, slots=True)
class CorrectionIn:
    """What shall be corrected.

    `lines` are amounts by position, minor units in the line's own basis; None credits all that is
    left of the line. A void takes no lines; with `again` its charges are billed by the next run.
    """

    way: Way
    lines: Mapping[int, int | None] = field(default_factory=dict)
    issue_on: date | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class StandingLineInfo:
    """A line of an invoice and what is left of it, after all corrections, drafts among them."""

    position: int
    name: str
    basis: str
    vat_rate: str | None
    total: TaxedLine
    left: TaxedLine

    @property
    def most_minor(self) -> int:
        """The most that can be credited of it, in its own basis, above zero."""
        return abs(self.left.net if self.basis == "net" else self.left.total)


@dataclass(frozen=True, slots=True)
class Standing:
    """An invoice with what is left of it, and what keeps it from being voided whole."""

    invoice_id: UUID
    currency: str
    total: TaxedLine
    left: TaxedLine
    void: bool
    waiting: bool
    elsewhere: bool
    lines: tuple[StandingLineInfo, ...]


@dataclass(frozen=True, slots=True)
class LineEffect:
    """What the correction makes of one line of the invoice."""

    position: int
    name: str
    before: TaxedLine
    change: TaxedLine
    after: TaxedLine


@dataclass(frozen=True, slots=True)
class CorrectionPreview:
    """What the correction would be. `postings` are empty where it waits for approval first."""

    kind: str
    currency: str
    issued_on: date | None
    waits_for: str
    approvers: tuple[str, ...]  # of one above the author's own limit: who may approve it
    change: TaxedLine
    before: TaxedLine
    after: TaxedLine
    lines: tuple[LineEffect, ...]
    postings: tuple[ledger.SourcePosting, ...]
    token: str


def standing(invoice_id: UUID) -> Standing | None:
    """Return what is left of an issued invoice; None where it is no such thing."""
    family = family_seen(invoice_id)
    if family is None:
        return None
    original = family.original
    if original.kind != Invoice.Kind.INVOICE or original.status != "issued":
        return None
    return Standing(
        invoice_id=invoice_id,
        currency=original.currency,
        total=_sums(original),
        left=family.left,
        void=family.void,
        waiting=family.waiting,
        elsewhere=family.elsewhere,
        lines=tuple(
            StandingLineInfo(
                position=one.line.position,
                name=one.line.name,
                basis=one.line.basis,
                vat_rate=None
                if one.line.vat_rate is None
                else f"{one.line.vat_rate.normalize():f}",
                total=_sums(one.line),
                left=one.left,
            )
            for one in family.lines
        ),
    )


def preview_correction(
    invoice_id: UUID, wanted: CorrectionIn, *, author: str, now: datetime
) -> CorrectionPreview:
    """Return what the correction would be, and leave nothing of it.

    Raises:
        CorrectionRefused: it would be refused, for the same reason.
    """

    def made() -> CorrectionPreview:
        before = _family(invoice_id)
        # A reason is asked for when it is done; here nobody will read it.
        key = _correct(invoice_id, wanted, reason="preview", author=author, now=now)
        return _seen(before, key)

    return rolled_back(made)


@transaction.atomic
def correct_as_previewed(
    invoice_id: UUID,
    wanted: CorrectionIn,
    *,
    token: str,
    reason: str,
    author: str,
    now: datetime,
) -> UUID:
    """Correct, if it comes to exactly what was previewed; return the document's id.

    Raises:
        CorrectionRefused: see its words; "preview_is_old" where the figures are others by now.
    """
    before = _family(invoice_id, lock=True)
    key = _correct(invoice_id, wanted, reason=reason, author=author, now=now)
    seen = _seen(before, key)
    if seen.token != token:
        raise CorrectionRefused(
            "preview_is_old",
            invoice=before.original,
            becomes=Money(seen.change.total, seen.currency),
            left=Money(seen.before.total, seen.currency),
        )
    return key


def _correct(
    invoice_id: UUID, wanted: CorrectionIn, *, reason: str, author: str, now: datetime
) -> UUID:
    if wanted.way == "void":
        return void(
            invoice_id, reason=reason, author=author, now=now, issue_on=wanted.issue_on,
            again=wanted.again,
        )  # fmt: skip
    if wanted.way == "credit":
        return credit(
            invoice_id, wanted.lines, reason=reason, author=author, now=now,
            issue_on=wanted.issue_on,
        )  # fmt: skip
    asked = {position: amount for position, amount in wanted.lines.items() if amount is not None}
    return debit(invoice_id, asked, reason=reason, author=author, now=now, issue_on=wanted.issue_on)


def _family(invoice_id: UUID, *, lock: bool = False) -> Family:
    family = families([invoice_id], lock=lock).get(invoice_id)
    if family is None:
        raise CorrectionRefused("original_unknown", invoice=invoice_id)
    return family


def _seen(before: Family, document: UUID) -> CorrectionPreview:
    made = Invoice.objects.get(pk=document)
    changes = {
        line.corrects_line_id: _sums(line)
        for line in InvoiceLine.objects.filter(invoice_id=document)
    }
    effects = tuple(
        LineEffect(
            one.line.position,
            one.line.name,
            one.left,
            changes[one.line.pk],
            one.left + changes[one.line.pk],
        )
        for one in before.lines
        if changes.get(one.line.pk, NOTHING) != NOTHING
    )
    change = _sums(made)
    told = [
        made.kind, made.waits_for, str(made.issued_on),
        *([one.position, *_plain(one.before), *_plain(one.change)] for one in effects),
        *_plain(before.left), *_plain(change),
    ]  # fmt: skip
    return CorrectionPreview(
        kind=made.kind,
        currency=made.currency,
        issued_on=made.issued_on,
        waits_for=made.waits_for,
        approvers=_approvers(made),
        change=change,
        before=before.left,
        after=before.left + change,
        lines=effects,
        postings=tuple(ledger.of_source(f"invoice:{document}")),
        token=hashlib.sha256(orjson.dumps(told)).hexdigest()[:32],
    )


def _approvers(made: Invoice) -> tuple[str, ...]:
    if made.waits_for != "limit":
        return ()
    return tuple(who_covers(made.total_minor, made.currency, besides=made.author))


def _plain(sums: TaxedLine) -> tuple[int, int, int]:
    return sums.net, sums.vat, sums.total


def _sums(row: Invoice | InvoiceLine) -> TaxedLine:
    return TaxedLine(row.net_minor, row.vat_minor, row.total_minor)
