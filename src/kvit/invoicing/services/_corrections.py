"""Correct an issued document by another one: credit, debit, void. The original never changes.

A correction takes its number from the seller's one series, like any document: one gapless count is
easier to prove than three, and the number alone says which document is meant (Russian rules want
invoices and their corrections numbered in one order of time: постановление Правительства РФ от
26.12.2011 № 1137, приложения 1 и 2, п. 1 «а»). VAT keeps the rate of the original, whatever the law
says by then (НК РФ ст. 154 п. 10, ст. 168 п. 3).

What may be credited is what is left, of each line and in total; what waits for approval counts as
taken. A correction is corrected by another one of the same invoice, never by one of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from kvit.core.lines import credit_lines
from kvit.core.money import Money
from kvit.core.periods import local_date
from kvit.core.tax import NOTHING, Basis, TaxedLine, split_vat
from kvit.core.wording import Words
from kvit.invoicing.events import DRAFT_WAITS, DraftWaits
from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.invoicing.services import _freed, _voiding
from kvit.invoicing.services._draft import INVOICE_COLUMNS, LINE_COLUMNS
from kvit.invoicing.services._family import Family, StandingLine, families, has_room
from kvit.invoicing.services._issue import issue_many
from kvit.parties import queries as parties
from kvit.parties.limits import LARGEST, limit_of
from kvit.platform import audit, events
from kvit.platform.bulk import copy_in
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.reading import steadily

Amount = TypeVar("Amount", int, int | None)
WORDS: Words = {
    "original_unknown": ("Документа {invoice} нет.", "There is no document {invoice}."),
    "not_an_invoice": (
        "Исправляют только выставленный счёт; {invoice} — не он. Исправление исправляют другим"
        " документом к тому же счёту, черновик — отклоняют.",
        "Only an issued invoice is corrected, and {invoice} is none. A correction is put right by"
        " another one of the same invoice, a draft is refused.",
    ),
    "already_void": (
        "Счёт {invoice} аннулирован: исправлять нечего.",
        "Invoice {invoice} is void: there is nothing to correct.",
    ),
    "correction_waits": (
        "Исправление счёта {invoice} ждёт утверждения: сначала утвердите или отклоните его.",
        "A correction of invoice {invoice} waits for approval: approve or refuse it first.",
    ),
    "corrected_elsewhere": (
        "К счёту {invoice} отнесены возвраты за другие периоды, поэтому целиком он не"
        " аннулируется. Верните остаток по строкам: --credit.",
        "Credits of other periods stand against invoice {invoice}, so it cannot be voided as a"
        " whole. Credit what is left line by line: --credit.",
    ),
    "reason_missing": (
        "Исправление без причины не оформляется.",
        "There is no correction without a reason.",
    ),
    "line_unknown": (
        "В счёте {invoice} нет строки {line}.",
        "Invoice {invoice} has no line {line}.",
    ),
    "amount_not_positive": (
        "Сумма по строке {line} должна быть больше нуля.",
        "The amount of line {line} must be above zero.",
    ),
    "exceeds_line": (
        "По строке {line} счёта {invoice} можно вернуть не больше {left}, а указано {asked}.",
        "At most {left} of line {line} of invoice {invoice} can be credited, not {asked}.",
    ),
    "debit_too_large": (
        "Доначислить по счёту {invoice} можно не больше {most} сразу.",
        "At most {most} can be debited on invoice {invoice} at once.",
    ),
    "exceeds_invoice": (
        "По счёту {invoice} можно вернуть не больше {left}.",
        "At most {left} of invoice {invoice} can be credited.",
    ),
    "fits_no_more": (
        "Исправление больше не помещается в счёт {invoice}: с тех пор по нему возвращено другое."
        " Отклоните черновик.",
        "The correction no longer fits invoice {invoice}: something else was credited since."
        " Refuse the draft.",
    ),
    "no_line_chosen": (
        "Ни по одной строке счёта {invoice} не названа сумма.",
        "No line of invoice {invoice} was given a sum.",
    ),
    "nothing_left": (
        "По счёту {invoice} возвращено уже всё.",
        "All of invoice {invoice} has been credited already.",
    ),
    "credit_not_negative": (
        "Строки {lines} счёта {invoice} сами уменьшают его: вернуть их без других нельзя.",
        "Lines {lines} of invoice {invoice} lower it themselves: they are not credited alone.",
    ),
    "preview_is_old": (
        "Расчёт устарел: по счёту {invoice} теперь осталось {left}, исправление составит {becomes}."
        " Ничего не сделано. Проверьте расчёт и подтвердите снова.",
        "The preview is out of date: {left} is left of invoice {invoice} by now, the correction"
        " would be {becomes}. Nothing was done. Check the figures and confirm again.",
    ),
    "debit_of_reduction": (
        "Строка {line} счёта {invoice} уменьшает его: доначислить по ней нельзя.",
        "Line {line} of invoice {invoice} lowers it: nothing is debited on it.",
    ),
}


class CorrectionRefused(Failure):
    """The correction does not fit the invoice as it stands; nothing was changed."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class _Part:
    """A line of the correction: which line it corrects, by how much (signed), of how much."""

    line: InvoiceLine
    sums: TaxedLine
    units: Decimal


@transaction.atomic
def credit(
    invoice_id: UUID,
    lines: Mapping[int, int | None],
    *,
    reason: str,
    author: str,
    now: datetime,
    issue_on: date | None = None,
) -> UUID:
    """Give back part of an invoice; return the credit note's id.

    Args:
        lines: by position, how much to take of the line, above zero, in minor units and in the
            line's own basis (net or gross); None takes all that is left of it.
        issue_on: the document's date; today in the company's zone, and never before the original.

    The credit note is issued at once, or waits for approval: where the seller wants that, and where
    its total is above the author's own limit (`parties.limits`).

    Raises:
        CorrectionRefused: see its words.
    """
    family = _locked(invoice_id, reason)
    parts = [_credited(family, *one) for one in _chosen(family, lines)]
    parts = [part for part in parts if part.sums != NOTHING]
    if not parts:
        raise CorrectionRefused("nothing_left", invoice=family.original)
    if sum(part.sums.total for part in parts) >= 0:
        told = ", ".join(str(part.line.position) for part in parts)
        raise CorrectionRefused("credit_not_negative", invoice=family.original, lines=told)
    if not has_room(family, ((part.line.pk, part.sums) for part in parts)):
        left = Money(family.left.total, family.original.currency)
        raise CorrectionRefused("exceeds_invoice", invoice=family.original, left=left)
    kind = Invoice.Kind.CREDIT_NOTE
    return _make(family, kind, parts, reason=reason, author=author, now=now, issue_on=issue_on)


@transaction.atomic
def debit(
    invoice_id: UUID,
    lines: Mapping[int, int],
    *,
    reason: str,
    author: str,
    now: datetime,
    issue_on: date | None = None,
) -> UUID:
    """Ask for more on lines of an invoice; return the debit note's id. See `credit`.

    Raises:
        CorrectionRefused: see its words.
    """
    family = _locked(invoice_id, reason)
    if sum(lines.values()) > LARGEST:
        most = Money(LARGEST, family.original.currency)
        raise CorrectionRefused("debit_too_large", invoice=family.original, most=most)
    parts = [_debited(family, *one) for one in _chosen(family, lines)]
    kind = Invoice.Kind.DEBIT_NOTE
    return _make(family, kind, parts, reason=reason, author=author, now=now, issue_on=issue_on)


@transaction.atomic
def void(
    invoice_id: UUID,
    *,
    reason: str,
    author: str,
    now: datetime,
    issue_on: date | None = None,
    again: bool = False,
) -> UUID:
    """Take back a whole invoice with what corrected it; return the reversing document's id.

    Its lines take what is left of each line. Its postings mirror those of the original and of its
    corrections, so every account is as if they had never been, from the void's day on.

    The charges behind the lines are taken back too, by charges of their own: an amendment of the
    same time is then priced against nothing, not against a sum that nobody owes. The service is
    charged again when something new is learned of it (an amendment, late usage), or, with
    `again`, by the next run, by what is known then. A service that is not owed is to be amended.

    Raises:
        CorrectionRefused: see its words.
    """
    _voiding.lock_subscriptions([invoice_id])
    family = _locked(invoice_id, reason)
    if family.waiting:
        raise CorrectionRefused("correction_waits", invoice=family.original)
    if family.elsewhere:
        raise CorrectionRefused("corrected_elsewhere", invoice=family.original)
    parts = [
        _Part(one.line, -one.left, -one.line.units if one.taken == NOTHING else Decimal(0))
        for one in family.lines
        if one.left != NOTHING
    ]
    if not parts:
        raise CorrectionRefused("nothing_left", invoice=family.original)
    if again:
        _freed.free([one.line.charge_id for one in family.lines if one.line.charge_id])
    kind = Invoice.Kind.VOID
    return _make(family, kind, parts, reason=reason, author=author, now=now, issue_on=issue_on)


def _locked(invoice_id: UUID, reason: str) -> Family:
    """Lock the original, then look. Who corrects it beside us waits here."""
    if not reason.strip():
        raise CorrectionRefused("reason_missing")
    family = families([invoice_id], lock=True).get(invoice_id)
    if family is None:
        raise CorrectionRefused("original_unknown", invoice=invoice_id)
    if family.original.status != "issued" or family.original.kind != Invoice.Kind.INVOICE:
        raise CorrectionRefused("not_an_invoice", invoice=family.original)
    if family.void:
        raise CorrectionRefused("already_void", invoice=family.original)
    return family


def _chosen(family: Family, lines: Mapping[int, Amount]) -> Iterable[tuple[StandingLine, Amount]]:
    by_position = {one.line.position: one for one in family.lines}
    if not lines:
        raise CorrectionRefused("no_line_chosen", invoice=family.original)
    for position, amount in sorted(lines.items()):
        if position not in by_position:
            raise CorrectionRefused("line_unknown", invoice=family.original, line=position)
        if amount is not None and amount <= 0:
            raise CorrectionRefused("amount_not_positive", line=position)
        yield by_position[position], amount


def _credited(family: Family, one: StandingLine, amount: int | None) -> _Part:
    line = one.line
    basis: Basis = "gross" if line.basis == "gross" else "net"
    left = one.left.net if basis == "net" else one.left.total
    if amount is not None and amount > abs(left):
        currency = family.original.currency
        raise CorrectionRefused(
            "exceeds_line", invoice=family.original, line=line.position,
            left=Money(abs(left), currency), asked=Money(amount, currency),
        )  # fmt: skip
    if amount is None:
        # Also what rounding left of the VAT of a line whose net is all taken.
        whole = one.taken == NOTHING
        return _Part(line, -one.left, -line.units if whole else Decimal(0))
    asked = amount if left >= 0 else -amount
    [sums] = credit_lines([one.added], [one.taken], [asked], basis=basis)
    return _Part(line, -sums, Decimal(0))


def _debited(family: Family, one: StandingLine, amount: int) -> _Part:
    line = one.line
    if line.total_minor < 0:
        raise CorrectionRefused("debit_of_reduction", invoice=family.original, line=line.position)
    rate = None if line.vat_rate is None else Fraction(line.vat_rate)
    sums = split_vat(amount, rate, "gross" if line.basis == "gross" else "net")
    return _Part(line, sums, Decimal(0))


@steadily()
def _make(
    family: Family,
    kind: str,
    parts: Iterable[_Part],
    *,
    reason: str,
    author: str,
    now: datetime,
    issue_on: date | None,
) -> UUID:
    """Write the document, and issue it or let it wait."""
    original, parts = family.original, list(parts)
    sellers = {seller.id: seller.row for seller in parties.sellers().values()}
    policy = sellers[original.seller_id]
    totals = sum((part.sums for part in parts), NOTHING)
    is_above = not limit_of(author).covers(totals.total, original.currency)
    waits_for = "approval" if policy.approval or policy.four_eyes else ""
    waits_for = "limit" if is_above else waits_for
    key = uuid7()
    copy_in(Invoice, INVOICE_COLUMNS, [(
        key, kind, "draft", waits_for, original.seller_id, original.customer_id,
        original.currency, original.billed_in, original.period_start, original.period_end,
        original.split_key, "", "", totals.net, totals.vat, totals.total, original.vat_rounding,
        original.pk, reason, author, "", now, policy.four_eyes or is_above,
    )])  # fmt: skip
    copy_in(
        InvoiceLine,
        LINE_COLUMNS,
        (_line_row(key, position, part) for position, part in enumerate(parts, 1)),
    )
    audit.record(
        action=f"invoicing.invoice.{kind}",
        object_type="invoicing.invoice",
        object_id=str(original.pk),
        before={"left_minor": family.left.total},
        after={
            "left_minor": family.left.total + totals.total,
            "document": str(key),
            "waits_for": waits_for,
        },
        actor=author,
        now=now,
        reason=reason,
    )
    if waits_for:
        events.publish(
            DRAFT_WAITS,
            key=str(key),
            payload=DraftWaits(key, original.customer_id, waits_for),
            actor=author,
            now=now,
        )
    else:
        day = issue_on or earliest_day(original, now)
        issue_many([key], issue_on=max(day, original.issued_on), actor=author, now=now)
    return key


def earliest_day(original: Invoice, now: datetime) -> date:
    """Return today in the company's zone; a document dated ahead is corrected on its own day."""
    today = local_date(now, parties.tenant().row.zone)
    return max(today, original.issued_on)


def _line_row(document: UUID, position: int, part: _Part) -> tuple[object, ...]:
    line, sums = part.line, part.sums
    return (
        uuid7(), document, position, None, line.pk, line.subscription_id, line.subscription_code,
        line.price_code, line.name, line.unit, line.starts_on, line.ends_on, part.units,
        sums.total if line.basis == "gross" else sums.net, [], line.basis, line.vat_code,
        line.vat_rate, sums.net, sums.vat, sums.total,
    )  # fmt: skip
