"""Drafts that wait for a person: approve them, or refuse them.

Refusing takes the draft away and leaves its charges to the next run of the same billing period, or
of a later one. That run looks at their service periods once more, so what was learned meanwhile
(an amendment, late usage) comes as a difference on the same document, and the sum is right.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from uuid import UUID

from django.db import IntegrityError, transaction

from kvit.core.money import Money
from kvit.core.periods import local_date
from kvit.core.wording import Words
from kvit.invoicing.events import DRAFT_REFUSED, DraftRefused
from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.invoicing.services import _freed, _voiding
from kvit.invoicing.services._corrections import CorrectionRefused
from kvit.invoicing.services._issue import issue_locked, locked_drafts
from kvit.parties import queries as parties
from kvit.parties.limits import APPROVE, CORRECT, limit_of, same_hand, who_covers
from kvit.platform import audit, events
from kvit.platform.failures import Failure
from kvit.platform.reading import steadily

WORDS: Words = {
    "own_draft": (
        "Документ утверждает не тот, кто его сделал: так решил продавец. Ваши: {documents}.",
        "A document is approved by another person than its author: the seller wants that. Yours:"
        " {documents}.",
    ),
    "above_limit": (
        "Корректировка на {total} больше вашего предела {limit}. Её утвердит: {who}.",
        "A correction of {total} is above your limit of {limit}. It is approved by: {who}.",
    ),
    "above_limit_nobody": (
        "Корректировка на {total} больше вашего предела {limit}. Пока её не утвердит никто:"
        " попросите владельца поднять предел роли.",
        "A correction of {total} is above your limit of {limit}. Nobody may approve it yet: ask an"
        " owner to raise the role's limit.",
    ),
    "invoice_above_limit": (
        "Счёт на {total} больше вашего предела. Больше {limit} утверждает: {who}.",
        "An invoice of {total} is above your limit. Above {limit} it is approved by: {who}.",
    ),
    "invoice_above_limit_nobody": (
        "Счёт на {total} больше вашего предела {limit}. Пока его не утвердит никто: попросите"
        " владельца поднять предел роли.",
        "An invoice of {total} is above your limit of {limit}. Nobody may approve it yet: ask an"
        " owner to raise the role's limit.",
    ),
}


class AboveLimit(Failure):
    """One of the documents is above what the approver may decide; nothing was issued.

    `document` is that one: who turns an attempt away writes it down.
    """

    document: UUID

    words = WORDS


class OwnDraft(Failure):
    """Four eyes are wanted, and these are the author's; nothing was issued."""

    words = WORDS


@transaction.atomic
@steadily()
def approve(
    ids: Sequence[UUID], *, approver: str, now: datetime, issue_on: date | None = None
) -> list[UUID]:
    """Issue drafts, in order of their making: all or none. Returns their ids.

    Args:
        issue_on: the date they bear; today in the company's zone. A correction never bears one
            before its original's, and as the drafts are issued together, none of them does.

    Raises:
        InvoiceNotDraft: one is issued already, or gone.
        CorrectionRefused: a correction no longer fits its original.
        OwnDraft: another person must approve it, and the approver made one of them.
        AboveLimit: a document is above the approver's own limit for its kind.
    """
    if not ids:
        return []
    corrected = Invoice.objects.filter(pk__in=ids, corrects__isnull=False)
    voided = corrected.filter(kind=Invoice.Kind.VOID).values_list("corrects_id", flat=True)
    _voiding.lock_subscriptions(list(voided))
    drafts = sorted(locked_drafts(ids), key=lambda one: (one.created_at, one.pk))
    hands = same_hand(approver)
    own = [one for one in drafts if one.four_eyes and one.author in hands]
    if own:
        raise OwnDraft("own_draft", documents=", ".join(map(str, own)))
    for one in above_limit(drafts, approver):
        raise _above_limit(one, approver)
    days = [issue_on or local_date(now, parties.tenant().row.zone)]
    days += corrected.values_list("corrects__issued_on", flat=True)
    before = {str(one.pk): {"status": "draft", "waits_for": one.waits_for} for one in drafts}
    with _kind_word(drafts), transaction.atomic():
        issue_locked(drafts, issue_on=max(days), actor=approver, now=now, approver=approver)
    audit.record_many(
        (
            audit.Change(
                "invoicing.draft.approved",
                "invoicing.invoice",
                str(one.pk),
                before=before[str(one.pk)],
                after={"status": "issued", "number": one.number_text, "author": one.author},
            )
            for one in drafts
        ),
        actor=approver,
        now=now,
    )
    return [one.pk for one in drafts]


def above_limit(drafts: Iterable[Invoice], approver: str) -> list[Invoice]:
    """Return those of these drafts that are of more than the approver may decide: of corrections
    by the limit of correcting, of invoices by that of approving."""
    of_act = cache(lambda act: limit_of(approver, act=act))
    return [one for one in drafts if not of_act(_act(one)).covers(one.total_minor, one.currency)]


@transaction.atomic
def note_above_limit(drafts: Iterable[Invoice], approver: str, *, now: datetime) -> None:
    """Write down that an approver asked for drafts of more than they may decide."""
    of_act = cache(lambda act: limit_of(approver, act=act))
    audit.record_many(
        (
            audit.Change(
                "attempt.above_limit",
                "invoicing.invoice",
                str(one.pk),
                after={
                    "total": str(Money(one.total_minor, one.currency)),
                    "limit": str(of_act(_act(one)).of(one.currency)),
                },
            )
            for one in drafts
        ),
        actor=approver,
        now=now,
    )


def _act(draft: Invoice) -> str:
    return APPROVE if draft.kind == Invoice.Kind.INVOICE else CORRECT


def _above_limit(draft: Invoice, approver: str) -> AboveLimit:
    total, act = Money(draft.total_minor, draft.currency), _act(draft)
    limit = limit_of(approver, act=act).of(draft.currency)
    besides = draft.author if act == CORRECT or draft.four_eyes else approver
    who = who_covers(draft.total_minor, draft.currency, act=act, besides=besides)
    code = f"{'invoice_' if act == APPROVE else ''}above_limit{'' if who else '_nobody'}"
    error = AboveLimit(code, total=total, limit=limit, who=", ".join(who))
    error.document = draft.pk
    return error


@transaction.atomic
def refuse(ids: Sequence[UUID], *, reason: str, actor: str, now: datetime) -> list[UUID]:
    """Drop drafts and free their charges: all or none. Returns the ids.

    Raises:
        InvoiceNotDraft: one is issued already, or gone.
        CorrectionRefused: no reason is given.
    """
    if not reason.strip():
        raise CorrectionRefused("reason_missing")
    drafts = locked_drafts(ids)
    lines = InvoiceLine.objects.filter(invoice_id__in=ids)
    charges: dict[UUID, list[UUID]] = {one.pk: [] for one in drafts}
    for key, charge in lines.filter(charge_id__isnull=False).values_list("invoice_id", "charge_id"):
        charges[key].append(charge)
    _freed.free([charge for many in charges.values() for charge in many])
    _freed.keep_billed([one.corrects_id for one in drafts if one.kind == Invoice.Kind.VOID])
    lines.delete()
    Invoice.objects.filter(pk__in=ids).delete()
    audit.record_many(
        (
            audit.Change(
                "invoicing.draft.refused",
                "invoicing.invoice",
                str(one.pk),
                before={
                    "kind": one.kind, "waits_for": one.waits_for, "author": one.author,
                    "total_minor": one.total_minor, "currency": one.currency,
                    "corrects": None if one.corrects_id is None else str(one.corrects_id),
                    "charges": [str(charge) for charge in charges[one.pk]],
                },
            )
            for one in drafts
        ),
        actor=actor,
        now=now,
        reason=reason,
    )  # fmt: skip
    events.publish_many(
        DRAFT_REFUSED,
        (
            events.EventRow(
                str(one.pk),
                DraftRefused(one.pk, one.kind, one.customer_id, len(charges[one.pk])),
            )
            for one in drafts
        ),
        actor=actor,
        now=now,
    )
    return [one.pk for one in drafts]


@contextmanager
def _kind_word(drafts: Sequence[Invoice]) -> Iterator[None]:
    """Say it in words when the database finds that a correction does not fit any more."""
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if getattr(diagnosis, "constraint_name", "") != "invoice_corrections_fit":
            raise
        told = ", ".join(str(one.corrects) for one in drafts if one.corrects_id)
        raise CorrectionRefused("fits_no_more", invoice=told) from error
