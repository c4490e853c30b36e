"""Races about documents: issued, numbered, credited, voided, refused at one moment."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from kvit.invoicing import services as invoicing
from kvit.web.prove import company
from kvit.web.prove.company import ACTOR, LATER
from kvit.web.prove.races import HANDS, Call, Round, among, race, same, told

WHY = "Простой"
PART = 30_000  # of a fee of 100 000: three fit


@race("double_issue", template="drafts")
def double_issue(place: int) -> Round:
    """A draft approved eight times at once is issued once and takes one number."""
    key, before = _draft(), _issued()

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=1, not_a_draft=HANDS - 1)
        yield from same("numbers taken", _issued() - before, 1)
        yield from _told_once(key)
        yield from company.gaps()

    return Round([_approve(key)] * HANDS, check)


@race("number_series", template="drafts")
def number_series(place: int) -> Round:
    """Eight drafts approved at once take eight numbers in a row."""
    keys, before = _drafts(HANDS), _issued()

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=HANDS)
        yield from same("numbers taken", _issued() - before, HANDS)
        yield from company.gaps()

    return Round([_approve(key) for key in keys], check)


@race("approve_or_refuse", template="drafts")
def approve_or_refuse(place: int) -> Round:
    """A draft approved and refused at once is one of them, with its number or with none."""
    key, before = _draft(), _issued()

    def refuse() -> Any:
        return invoicing.refuse([key], reason=WHY, actor=ACTOR, now=LATER)

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from among(answers, "done", "not_a_draft", "draft_gone")
        yield from same("winners", sum(not isinstance(one, Exception) for one in answers), 1)
        stands = company.number("SELECT count(*) FROM invoicing_invoice WHERE id = %(key)s",
                                key=key)  # fmt: skip
        freed = company.number("SELECT count(*) FROM invoicing_freedcharge")
        yield from same("numbers taken", _issued() - before, stands)
        if not stands and not freed:
            yield "a refused draft frees no charge"
        yield from company.gaps()

    return Round([call for _ in range(HANDS // 2) for call in (_approve(key), refuse)], check)


@race("credit_limit", template="issued")
def credit_limit(place: int) -> Round:
    """Eight credits of 300.00 over a line of 1 000.00: three fit."""
    key = _invoice()

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=3, exceeds_line=HANDS - 3)
        yield from same("the credits", _corrections(key), -3 * PART * 122 // 100)

    return Round([_credit(key)] * HANDS, check)


@race("double_void", template="issued")
def double_void(place: int) -> Round:
    """An invoice voided eight times at once is voided once."""
    key = _invoice()

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=1, already_void=HANDS - 1)
        yield from same("what is left", _total(key) + _corrections(key), 0)
        yield from same("the charges", _charged(key), 0)

    return Round([_void(key)] * HANDS, check)


@race("credit_against_void", template="issued", weight=2)
def credit_against_void(place: int) -> Round:
    """Credits beside voids: whoever is first, nothing is left, and nothing twice."""
    key = _invoice()

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from among(answers, "done", "already_void", "exceeds_line")
        yield from same("what is left", _total(key) + _corrections(key), 0)
        yield from company.gaps()

    return Round([call for _ in range(HANDS // 2) for call in (_credit(key), _void(key))], check)


def _approve(key: UUID) -> Call:
    return lambda: invoicing.approve([key], approver=ACTOR, now=LATER)


def _credit(key: UUID) -> Call:
    return lambda: invoicing.credit(key, {1: PART}, reason=WHY, author=ACTOR, now=LATER)


def _void(key: UUID) -> Call:
    return lambda: invoicing.void(key, reason=WHY, author=ACTOR, now=LATER)


def _drafts(count: int) -> list[UUID]:
    found = company.ask(
        "SELECT id FROM invoicing_invoice WHERE status = 'draft' ORDER BY id LIMIT %(count)s",
        count=count,
    )
    return [key for (key,) in found]


def _draft() -> UUID:
    return _drafts(1)[0]


def _invoice() -> UUID:
    """Return an invoice that nobody has corrected yet, with a fee on its first line."""
    found = company.ask("""
        SELECT i.id FROM invoicing_invoice i
        JOIN invoicing_invoiceline l ON l.invoice_id = i.id AND l.position = 1
        WHERE i.kind = 'invoice' AND i.status = 'issued' AND l.net_minor = 100000
          AND NOT EXISTS (SELECT FROM invoicing_invoice c WHERE c.corrects_id = i.id)
        ORDER BY i.id LIMIT 1""")
    key: UUID = found[0][0]
    return key


def _issued() -> int:
    return company.number("SELECT count(*) FROM invoicing_invoice WHERE status = 'issued'")


def _told_once(key: UUID) -> Iterable[str]:
    told = company.number(
        "SELECT count(*) FROM platform_eventlog WHERE topic = 'invoicing.invoice.issued'"
        " AND payload->>'invoice_id' = %(key)s",
        key=str(key),
    )
    posted = company.number(
        "SELECT coalesce(sum(amount_minor), 0) FROM ledger_posting p JOIN ledger_account a"
        " ON a.seller_id = p.seller_id AND a.code = p.debit AND a.role = 'receivable'"
        " WHERE p.source = %(source)s",
        source=f"invoice:{key}",
    )
    return [*same("times told", told, 1), *same("the claim", posted, _total(key))]


def _total(key: UUID) -> int:
    return company.number("SELECT total_minor FROM invoicing_invoice WHERE id = %(key)s", key=key)


def _corrections(key: UUID) -> int:
    return company.number(
        "SELECT sum(total_minor) FROM invoicing_invoice WHERE corrects_id = %(key)s", key=key
    )


def _charged(key: UUID) -> int:
    return company.number(
        "SELECT sum(c.amount_minor) FROM rating_charge c JOIN invoicing_invoice i"
        " ON i.customer_id = c.customer_id WHERE i.id = %(key)s",
        key=key,
    )
