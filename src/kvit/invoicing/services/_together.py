"""Issue the ordinary documents of many payers together: lines, postings, numbers, facts.

Ordinary is a payer whose charges are all of this period, whose documents ask for something and
are issued without anybody's look. They are written as they will stand: lines first, then postings,
then the numbers, then the documents. Texts of lines go from charges to lines inside the database.
Everything else takes the way through drafts (`_runs`), and comes to the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from kvit.core.columnar import NotColumnar
from kvit.core.columnar.entries import PAIRS, entry_columns
from kvit.core.columnar.runs import Rows, Runs, borders
from kvit.core.columnar.tax import TaxedColumns, tax_columns
from kvit.core.periods import Period
from kvit.core.tax import Basis, vat_rate
from kvit.invoicing.events import INVOICE_ISSUED
from kvit.invoicing.models import FreedCharge, Invoice, InvoiceLine
from kvit.invoicing.services import _draft, _outliers
from kvit.invoicing.services._issue import (
    Document,
    InTurn,
    at_once,
    number_documents,
    record_issued,
    tell_issued,
)
from kvit.ledger import services as ledger
from kvit.parties.rows import Seller
from kvit.platform import events
from kvit.platform.columns import (
    insert_staged,
    stage_columns,
    stage_rows,
    uuid_column,
    uuids_of,
)
from kvit.platform.ids import uuid7_column
from kvit.platform.tenancy import current_tenant_id
from kvit.rating import queries as rating

Ids = NDArray[np.uint8]
FEW = 16  # payers: for so few a set costs more than it saves
_EPOCH = date(1970, 1, 1)
_ALREADY = f"""
    DELETE FROM {rating.DUE} d USING invoicing_invoiceline l
    WHERE l.tenant_id = %s AND l.charge_id = d.id
"""
_UNUSUAL = f"""
    DELETE FROM {rating.DUE} d WHERE customer_id IN (
        SELECT customer_id FROM {rating.DUE} WHERE reason <> 'period')
    RETURNING customer_id
"""
_ALIKE = {
    "alike": "integer", "seller_id": "uuid", "currency": "text", "split_key": "text",
    "vat_rounding": "text", "period_start": "date", "period_end": "date", "issued_on": "date",
    "author": "text", "at": "timestamptz",
}  # fmt: skip
_DOCUMENTS = """
    pg_temp.billed_document d JOIN pg_temp.billed_alike a ON a.alike = d.alike
    JOIN pg_temp.billed_number n ON n.document = d.document ORDER BY d.document
"""
DOCUMENT = {
    "id": "d.id", "kind": "'invoice'", "status": "'issued'", "waits_for": "''",
    "seller_id": "a.seller_id", "customer_id": "d.customer", "currency": "a.currency",
    "billed_in": "a.period_start", "period_start": "a.period_start", "period_end": "a.period_end",
    "split_key": "a.split_key", "series": "n.series", "number_text": "n.number_text",
    "net_minor": "d.net", "vat_minor": "d.vat", "total_minor": "d.total",
    "vat_rounding": "a.vat_rounding", "corrects_id": "NULL", "reason": "''", "author": "a.author",
    "approver": "''", "created_at": "a.at", "four_eyes": "false", "number": "n.number",
    "issued_on": "a.issued_on", "issued_at": "a.at",
}  # fmt: skip
_FACTS = {
    "invoice_id": "d.id", "kind": "'invoice'", "number": "n.number_text",
    "seller_id": "a.seller_id", "customer_id": "d.customer", "currency": "a.currency",
    "net_minor": "d.net", "vat_minor": "d.vat", "total_minor": "d.total",
    "issued_on": "a.issued_on", "period_start": "a.period_start", "period_end": "a.period_end",
    "corrects_id": "NULL",
}  # fmt: skip
OWN = {
    "id": "l.id",
    "invoice_id": "i.id",
    "position": "l.position",
    "charge_id": "d.id",
    "corrects_line_id": "NULL",
    "vat_rate": "r.vat_rate",
    "net_minor": "l.net",
    "vat_minor": "l.vat",
    "total_minor": "l.total",
}


@dataclass(slots=True)
class Made:
    """Documents as columns, in the order of their numbers, and their lines."""

    customers: list[UUID]
    sellers: list[UUID]
    currencies: list[str]
    splits: list[str]
    net: Rows
    vat: Rows
    total: Rows
    places: Rows  # of each line in the staged charges
    owner: Rows  # the document of each line
    taxed: TaxedColumns
    rates: list[Fraction | None]
    rate: Rows  # of each line, a place in `rates`
    ends: Rows  # of each line


def issue_together(
    payers: Sequence[UUID],
    sellers: Mapping[UUID, Seller],
    *,
    window: Period,
    issue_on: date,
    actor: str,
    now: datetime,
    in_turn: InTurn = at_once,
) -> tuple[list[UUID], list[UUID]]:
    """Issue what is ordinary; returns the documents and the payers that take the other way.

    Inside the caller's transaction, which holds the turn of the period.
    """
    if len(payers) < FEW:
        return [], list(payers)
    rating.stage_due(window.start, payers)
    freed = FreedCharge.objects.filter(billed_in__lte=window.start, customer_id__in=payers)
    others = set(freed.values_list("customer_id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_ALREADY, [current_tenant_id()])
        cursor.execute(_UNUSUAL)
        others |= {key for (key,) in cursor.fetchall()}
    due = rating.due_columns()
    try:
        made, unusual = _made(due, sellers, others)
    except NotColumnar:
        return [], list(payers)
    others |= unusual
    rest = [key for key in payers if key in others]
    if not made.customers:
        return [], rest
    written = _write(
        made, sellers, window=window, issue_on=issue_on, actor=actor, now=now, in_turn=in_turn
    )
    return written, rest


def _made(
    due: rating.DueColumns, sellers: Mapping[UUID, Seller], others: set[UUID]
) -> tuple[Made, set[UUID]]:
    """Gather charges into documents and tax them; payers with an unusual one are left out."""
    # A charge of nothing, for nothing used, makes no line; it stays on record as a charge.
    kept = (due.amounts != 0) | (due.firsts & due.used)
    known = np.array([key in others for key in due.customers], np.bool_)
    kept &= ~known[due.customer] if len(known) else kept
    made = _documents(due, sellers, np.flatnonzero(kept))
    unusual = _unusual(made, sellers)
    if unusual:
        out = np.array([key in unusual for key in due.customers], np.bool_)
        made = _documents(due, sellers, np.flatnonzero(kept & ~out[due.customer]))
    return made, unusual


def _documents(due: rating.DueColumns, sellers: Mapping[UUID, Seller], kept: Rows) -> Made:
    groups = [
        (one.seller_id, one.currency, one.service if _splits(sellers[one.seller_id]) else "")
        for one in due.terms
    ]
    names = list(dict.fromkeys(groups))
    group = np.array([names.index(one) for one in groups], np.int64)[due.term[kept]]
    key = due.customer[kept] * max(len(names), 1) + group
    _, first, owner = np.unique(key, return_index=True, return_inverse=True)
    # Documents stand in the order of their first charge.
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    owner = rank[owner.reshape(-1)]
    first = first[order]
    rated = [_rated(one) for one in due.terms]
    classes = list(dict.fromkeys(rated))
    rate = np.array([classes.index(one) for one in rated], np.int64)[due.term[kept]]
    rounding = [sellers[names[place][0]].vat_rounding for place in group[first]]
    taxed = _taxed(due.amounts[kept], owner, rate, classes, rounding)
    sums = [np.zeros(len(first), np.int64) for _ in range(3)]
    for total, part in zip(sums, (taxed.net, taxed.vat, taxed.total), strict=True):
        np.add.at(total, owner, part)
    return Made(
        customers=[due.customers[place] for place in due.customer[kept][first]],
        sellers=[names[place][0] for place in group[first]],
        currencies=[names[place][1] for place in group[first]],
        splits=[names[place][2] for place in group[first]],
        net=sums[0],
        vat=sums[1],
        total=sums[2],
        places=due.places[kept],
        owner=owner,
        taxed=taxed,
        rates=[one for one, _ in classes],
        rate=rate,
        ends=due.ends[kept],
    )


def _splits(seller: Seller) -> bool:
    return seller.row.split == "service"


def _rated(terms: rating.ChargeTerms) -> tuple[Fraction | None, Basis]:
    basis: Basis = "gross" if terms.basis == "gross" else "net"
    return vat_rate(terms.vat_code, terms.vat_on), basis


def _taxed(
    amounts: Rows,
    owner: Rows,
    rate: Rows,
    classes: Sequence[tuple[Fraction | None, Basis]],
    rounding: Sequence[str],
) -> TaxedColumns:
    """Tax documents by the method of their seller."""
    whole = TaxedColumns(*(np.zeros(len(amounts), np.int64) for _ in range(3)))
    by_document = np.array([one == "document" for one in rounding], np.bool_)
    for method in ("document", "line"):
        mine = np.flatnonzero(by_document[owner] == (method == "document")) if len(owner) else owner
        if len(mine):
            part = tax_columns(amounts[mine], owner[mine], rate[mine], classes, method)
            for name in ("net", "vat", "total"):
                getattr(whole, name)[mine] = getattr(part, name)
    return whole


def _unusual(made: Made, sellers: Mapping[UUID, Seller]) -> set[UUID]:
    """Return the payers of whom a document waits for a person, or asks for less than nothing."""
    usual = _outliers.largest(set(made.customers))
    found = set()
    for customer, seller, currency, total in zip(
        made.customers, made.sellers, made.currencies, made.total.tolist(), strict=True
    ):
        known, policy = usual.get((customer, seller, currency)), sellers[seller].row
        is_far = known is not None and total > _outliers.TIMES * known
        if total < 0 or is_far or policy.approval or policy.four_eyes:
            found.add(customer)
    return found


def _write(
    made: Made,
    sellers: Mapping[UUID, Seller],
    *,
    window: Period,
    issue_on: date,
    actor: str,
    now: datetime,
    in_turn: InTurn,
) -> list[UUID]:
    column = uuid7_column(len(made.customers))
    ids = uuids_of(column)
    _stage_documents(made, column, sellers, window, issue_on=issue_on, actor=actor, now=now)
    _write_lines(made)
    _post(made, column, issue_on, now=now)
    documents = [
        Document(
            id=key, seller_id=seller,
            customer_id=customer, currency=currency, billed_in=window.start,
            period_start=window.start, period_end=window.end, split_key=split, net_minor=net,
            vat_minor=vat, total_minor=total, vat_rounding=sellers[seller].vat_rounding,
            author=actor, created_at=now, issued_on=issue_on, issued_at=now,
        )
        for key, seller, customer, currency, split, net, vat, total in zip(
            ids, made.sellers, made.customers, made.currencies, made.splits, made.net.tolist(),
            made.vat.tolist(), made.total.tolist(), strict=True,
        )
    ]  # fmt: skip
    # Numbers come last: their rows are the ones that every other issuer waits for.
    in_turn()
    number_documents(documents, issue_on=issue_on)
    stage_rows(
        "billed_number",
        {"document": "integer", "number": "integer", "number_text": "text", "series": "text"},
        ((place, one.number, one.number_text, one.series) for place, one in enumerate(documents)),
    )
    assert insert_staged(Invoice, DOCUMENT, _DOCUMENTS) == len(ids), "documents and groups differ"
    is_told = events.publish_staged(
        INVOICE_ISSUED, _FACTS, _DOCUMENTS, event="d.event", key="d.id::text", actor=actor, now=now
    )
    if not is_told:
        tell_issued(documents, issue_on=issue_on, actor=actor, now=now)
    record_issued(documents, actor=actor, now=now)
    return ids


def _stage_documents(
    made: Made,
    ids: Ids,
    sellers: Mapping[UUID, Seller],
    window: Period,
    *,
    issue_on: date,
    actor: str,
    now: datetime,
) -> None:
    """Stage what documents have alike, once, and what differs as columns."""
    groups = list(zip(made.sellers, made.currencies, made.splits, strict=True))
    known = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    stage_rows(
        "billed_alike",
        _ALIKE,
        (
            (place, seller, currency, split, sellers[seller].vat_rounding, window.start,
             window.end, issue_on, actor, now)
            for (seller, currency, split), place in known.items()
        ),
    )  # fmt: skip
    stage_columns(
        "billed_document",
        {
            "document": ("integer", np.arange(len(ids))),
            "id": ("uuid", ids),
            "event": ("uuid", uuid7_column(len(ids))),
            "customer": ("uuid", uuid_column(made.customers)),
            "alike": ("integer", np.array([known[one] for one in groups], np.int64)),
            "net": ("bigint", made.net),
            "vat": ("bigint", made.vat),
            "total": ("bigint", made.total),
        },
    )


def _write_lines(made: Made) -> None:
    lines = Runs(*_first_lines(made.owner))
    assert len(lines.starts) == len(made.customers), "lines and groups differ"
    position = np.arange(len(made.owner)) - np.repeat(lines.starts, lines.counts) + 1
    order = np.argsort(made.owner, kind="stable")
    line_ids = uuid7_column(len(order))
    stage_columns(
        "billed_line",
        {
            "id": ("uuid", line_ids),
            "place": ("bigint", made.places[order]),
            "document": ("integer", made.owner[order]),
            "position": ("integer", position),
            "rate": ("integer", made.rate[order]),
            "net": ("bigint", made.taxed.net[order]),
            "vat": ("bigint", made.taxed.vat[order]),
            "total": ("bigint", made.taxed.total[order]),
        },
    )
    stage_rows(
        "billed_rate",
        {"rate": "integer", "vat_rate": "numeric"},
        (
            (place, None if one is None else Decimal(one.numerator) / Decimal(one.denominator))
            for place, one in enumerate(made.rates)
        ),
    )
    written = insert_staged(
        InvoiceLine,
        {name: OWN.get(name, f"d.{name}") for name in _draft.LINE_COLUMNS},
        f"pg_temp.billed_line l JOIN {rating.DUE} d ON d.place = l.place"
        " JOIN pg_temp.billed_document i ON i.document = l.document"
        " JOIN pg_temp.billed_rate r ON r.rate = l.rate",
    )
    assert written == len(order), "lines and groups differ"


def _first_lines(owner: Rows) -> tuple[Rows, int]:
    runs = borders(np.sort(owner))
    return runs.starts, runs.rows


def _post(made: Made, ids: Ids, issue_on: date, *, now: datetime) -> None:
    """Post each document, what is earned on one day being one share."""
    entries = entry_columns(
        made.owner, made.taxed.net, made.taxed.vat, made.ends - 1, (issue_on - _EPOCH).days
    )
    groups = list(zip(made.sellers, made.currencies, strict=True))
    known = list(dict.fromkeys(groups))
    group = np.array([known.index(one) for one in groups], np.int64)[entries.owner]
    keys = np.stack([group, entries.pair, entries.day], axis=1)
    different, alike = np.unique(keys, axis=0, return_inverse=True)
    documents = borders(entries.owner)
    posted = ledger.PostingColumns(
        facts=ids[entries.owner],
        customers=uuid_column(made.customers)[entries.owner],
        lines=np.arange(len(entries.owner)) - np.repeat(documents.starts, documents.counts) + 1,
        alike=alike.reshape(-1),
        amounts=entries.amount,
    )
    terms = [
        _alike(known[place], pair, _EPOCH + timedelta(days=day))
        for place, pair, day in different.tolist()
    ]
    ledger.post_columns("invoice", posted, terms, now=now)


def _alike(group: tuple[UUID, str], pair: int, day: date) -> ledger.Alike:
    (seller, currency), (debit, credit) = group, PAIRS[pair % len(PAIRS)]
    if pair >= len(PAIRS):
        debit, credit = credit, debit
    return ledger.Alike(seller, debit, credit, currency, day)
