"""What a bill run brought, summed up once when it is over: sums, causes, what needs a person.

A page shows it without counting a hundred thousand documents anew, and a dry run's is all that is
left of it. It keeps ids and figures; names are asked for when it is shown.

Of a run that workers share each part is summed up by itself (`sums_of`), once it is committed; what
is left for the end is to add these up, to look at payers that are in no part, and to see that the
parts and those come to what stands in the database. If they do not (somebody has voided a document
meanwhile), everybody is compared anew.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from kvit.core.bridge import CAUSES
from kvit.core.money import exact_text
from kvit.core.periods import Period
from kvit.invoicing._bridge import PayerBills, compared, compared_of, period_before
from kvit.invoicing.models import Invoice, InvoiceLine, RunPart
from kvit.invoicing.rows import RunReport, RunTotals
from kvit.parties import queries as parties
from kvit.platform.tenancy import current_tenant_id
from kvit.rating import queries as rating
from kvit.rating.rows import RatingProblem, RatingResult

EXAMPLES = 3
SAMPLE = 10  # documents to read
TOGETHER = 2_000  # payers whose requisites are looked at in one query
SAMPLE_LINES = 30
GROWTH = 3  # times more than the last bill
PARTS = 16  # of a run, whose faults are read at once
_EVENLY = """
    SELECT total_minor, id FROM (
        SELECT total_minor, id, row_number() OVER (ORDER BY total_minor DESC, id) - 1 AS place,
               greatest(1, count(*) OVER () / %(most)s) AS step
        FROM invoicing_invoice
        WHERE tenant_id = %(tenant)s AND billed_in = %(billed_in)s AND kind = 'invoice'
          AND {which}) ranked
    WHERE place %% step = 0 ORDER BY place LIMIT %(most)s
"""
_ALL = "true"
_NAMED = "id = ANY(%(made)s)"
_IN_NO_PART = """
    SELECT customer_id FROM invoicing_invoice
    WHERE tenant_id = %(tenant)s AND billed_in = ANY(%(months)s) AND kind = 'invoice'
    EXCEPT
    SELECT unnest(ids) FROM invoicing_runpart
    WHERE tenant_id = %(tenant)s AND run_id = %(run)s AND stage = 'invoicing'
    ORDER BY 1
"""
_STANDING = """
    SELECT i.currency, count(*) FILTER (WHERE i.billed_in = %(now)s),
           coalesce(sum(i.total_minor) FILTER (WHERE i.billed_in = %(now)s AND v.id IS NULL), 0),
           coalesce(sum(i.total_minor) FILTER (WHERE i.billed_in <> %(now)s AND v.id IS NULL), 0)
    FROM invoicing_invoice i
    LEFT JOIN invoicing_invoice v ON v.tenant_id = i.tenant_id AND v.corrects_id = i.id
         AND v.kind = 'void' AND v.status = 'issued'
    WHERE i.tenant_id = %(tenant)s AND i.billed_in = ANY(%(months)s) AND i.kind = 'invoice'
    GROUP BY 1
"""
CAUSES_OF_EXCEPTIONS = (
    "not_priced", "unpriced_usage", "waits_outlier", "grew", "no_bill", "no_usage",
    "no_requisites", "unknown_meter", "unknown_subscription", "unknown_customer",
    "usage_ambiguous", "usage_outside", "waits_limit", "waits_approval",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CurrencySums:
    """Invoices of the period in one currency beside those of the one before it."""

    currency: str
    documents: int
    total_minor: int
    before_minor: int
    causes: dict[str, int]  # minor units; they sum to total − before


@dataclass(frozen=True, slots=True)
class Example:
    """One of those whom an exception is about."""

    customer_id: UUID | None = None
    subscription: str = ""
    document_id: UUID | None = None
    currency: str = ""
    before_minor: int | None = None
    now_minor: int | None = None
    detail_ru: str = ""
    detail_en: str = ""


@dataclass(slots=True)
class ExceptionGroup:
    """What needs a person, by cause: how many, Σ by currency, and the first few."""

    cause: str
    count: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)

    def add(self, example: Example, *, count: int = 1) -> None:
        self.count += count
        if example.currency and example.now_minor is not None:
            _add(self.sums, {example.currency: example.now_minor})
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)

    def join(self, other: "ExceptionGroup") -> None:
        """Take in those of the same cause that come after these."""
        self.count += other.count
        _add(self.sums, other.sums)
        self.examples = [*self.examples, *other.examples][:EXAMPLES]


@dataclass(frozen=True, slots=True)
class SampleLine:
    """A line of a document to read."""

    name: str
    units: str
    unit: str
    total_minor: int


@dataclass(frozen=True, slots=True)
class SampleDocument:
    """A document to read; after a dry run `document_id` is of nothing that stands."""

    document_id: UUID
    kind: str
    customer_id: UUID
    currency: str
    total_minor: int
    lines: list[SampleLine]
    left_out: int = 0  # lines beyond those


@dataclass(slots=True)
class Sums:
    """Bills of some payers beside those before, by currency; what is odd about them, by cause; and
    documents to read, evenly from the largest to the smallest: (minor units, id)."""

    before: dict[str, int] = field(default_factory=dict)
    now: dict[str, int] = field(default_factory=dict)
    causes: dict[str, dict[str, int]] = field(default_factory=dict)
    groups: dict[str, ExceptionGroup] = field(default_factory=dict)
    documents: list[tuple[int, UUID]] = field(default_factory=list)

    def add(self, other: "Sums") -> None:
        _add(self.before, other.before)
        _add(self.now, other.now)
        for currency, causes in other.causes.items():
            _add(self.causes.setdefault(currency, {}), causes)
        for cause, group in other.groups.items():
            _group(self.groups, cause).join(group)
        self.documents += other.documents


@dataclass(frozen=True, slots=True)
class RunSummary:
    """See the module. `previous` is the first day of the billing period compared with."""

    previous: date | None
    issued: int
    drafts: int
    charges: int
    differences: int
    put_off: int
    currencies: list[CurrencySums]
    exceptions: list[ExceptionGroup]
    sample: list[SampleDocument]


def summary_of(window: Period, report: RunReport) -> RunSummary:
    """Sum up a billing period as it stands after a run."""
    previous = period_before(window.start)
    made = [*report.issued, *report.drafts]
    sums = _sums(compared(window.start, previous))
    sums.documents = _ranked(window.start, _NAMED if made else _ALL, made=made)
    whole = _standing(window.start, previous)
    return _summed(window, report.totals, report.problems, previous, sums, whole)


def sums_of(window: Period, payers: Sequence[UUID], made: Sequence[UUID]) -> dict[str, object]:
    """Sum up some payers and the documents made of them just now, as it is stored with a part."""
    sums = _sums(compared_of(payers, window.start, period_before(window.start)))
    sums.documents = _ranked(window.start, _NAMED, made=list(made))
    found: dict[str, object] = msgspec.to_builtins(sums)
    return found


@transaction.atomic
def summary_of_parts(window: Period, run_id: UUID, totals: RunTotals) -> RunSummary:
    """Sum up a billing period after a run that workers shared, of which each part is summed up;
    whatever its size, in as much memory."""
    previous = period_before(window.start)
    whole = _standing(window.start, previous)
    sums = Sums()
    parts = RunPart.objects.filter(run_id=run_id, stage="invoicing").order_by("place")
    for brought in parts.values_list("brought", flat=True).iterator(chunk_size=PARTS):
        sums.add(msgspec.convert(brought, Sums))
    for payers in _in_no_part(window.start, previous, run_id):
        sums.add(_sums(compared_of(payers, window.start, previous)))
    known = {one: (now, before) for one, (_, now, before) in whole.items()}
    if any(
        (sums.now.get(one, 0), sums.before.get(one, 0)) != known.get(one, (0, 0))
        for one in {*known, *sums.now, *sums.before}
    ):
        sums = replace(_sums(compared(window.start, previous)), documents=sums.documents)
    if not totals.issued + totals.drafts:
        sums.documents = _ranked(window.start, _ALL)
    return _summed(window, totals, _problems_of(run_id), previous, sums, whole)


def _in_no_part(billed_in: date, previous: date | None, run_id: UUID) -> Iterator[list[UUID]]:
    """Yield payers whom the run had no reason to look at: billed before and not now, mostly."""
    asked = {"months": _months(billed_in, previous), "run": run_id}
    with connection.chunked_cursor() as cursor:
        cursor.execute(_IN_NO_PART, {**asked, "tenant": current_tenant_id()})
        while rows := cursor.fetchmany(TOGETHER):
            yield [payer for (payer,) in rows]


def _standing(billed_in: date, previous: date | None) -> dict[str, tuple[int, int, int]]:
    """Return, by currency, the invoices of a period, and what it and the other come to."""
    asked = {"months": _months(billed_in, previous), "now": billed_in}
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, {**asked, "tenant": current_tenant_id()})
        return {one: (count, int(now), int(before)) for one, count, now, before in cursor}


def _months(billed_in: date, previous: date | None) -> list[date]:
    return [billed_in] if previous is None else [previous, billed_in]


def _summed(
    window: Period,
    totals: RunTotals,
    problems: Iterable[RatingProblem],
    previous: date | None,
    sums: Sums,
    whole: Mapping[str, tuple[int, int, int]],
) -> RunSummary:
    groups = sums.groups
    _waiting(window, groups)
    _problems(problems, groups)
    _usage(window, groups)
    return RunSummary(
        previous=previous,
        issued=totals.issued,
        drafts=totals.drafts,
        charges=totals.charges,
        differences=totals.differences,
        put_off=totals.put_off,
        currencies=[
            CurrencySums(
                one, whole.get(one, (0,))[0], sums.now[one], sums.before[one],
                {cause: causes[cause] for cause in CAUSES if causes.get(cause)},
            )
            for one, causes in sorted(sums.causes.items())
        ],
        exceptions=[groups[cause] for cause in CAUSES_OF_EXCEPTIONS if cause in groups],
        sample=_sample(_evenly(sums.documents)),
    )  # fmt: skip


def to_document(summary: RunSummary) -> dict[str, object]:
    """Return what is stored."""
    found: dict[str, object] = msgspec.to_builtins(summary)
    return found


def from_document(document: dict[str, object]) -> RunSummary | None:
    """Read a stored summary back; None where the run brought none."""
    return msgspec.convert(document, RunSummary) if document else None


def _sums(bills: Iterable[PayerBills]) -> Sums:
    found = Sums()
    asked: list[PayerBills] = []
    for one in bills:
        _add(found.before, {one.currency: one.before_minor})
        _add(found.now, {one.currency: one.now_minor})
        _add(found.causes.setdefault(one.currency, {}), one.causes)
        for cause in _exceptional(one):
            _group(found.groups, cause).add(_example(one))
        if one.now_minor:
            asked.append(one)
        if len(asked) == TOGETHER:
            _requisites(asked, found.groups)
            asked = []
    _requisites(asked, found.groups)
    return found


def _exceptional(one: PayerBills) -> Iterable[str]:
    if one.before_minor > 0 and one.now_minor > GROWTH * one.before_minor:
        yield "grew"
    if one.before_minor > 0 and one.now_minor == 0:
        yield "no_bill"
        return
    if one.has_stopped:
        yield "no_usage"


def _example(one: PayerBills) -> Example:
    return Example(
        customer_id=one.customer_id,
        currency=one.currency,
        before_minor=one.before_minor,
        now_minor=one.now_minor,
    )


def _requisites(billed: Sequence[PayerBills], groups: dict[str, ExceptionGroup]) -> None:
    lacking = parties.without_requisites({one.customer_id for one in billed})
    for one in billed:
        if one.customer_id in lacking:
            _group(groups, "no_requisites").add(_example(one))


def _waiting(window: Period, groups: dict[str, ExceptionGroup]) -> None:
    rows = Invoice.objects.filter(billed_in=window.start, status="draft").exclude(waits_for="")
    columns = ("pk", "waits_for", "customer_id", "currency", "total_minor")
    rows = rows.order_by("-total_minor").values_list(*columns)
    for key, waits_for, customer, currency, total in rows.iterator():
        _group(groups, f"waits_{waits_for}").add(
            Example(customer, document_id=key, currency=currency, now_minor=total)
        )


def _problems_of(run_id: UUID) -> Iterator[RatingProblem]:
    """Read what could not be priced, part by part."""
    parts = RunPart.objects.filter(run_id=run_id, stage="rating").order_by("place")
    for brought in parts.values_list("brought", flat=True).iterator(chunk_size=PARTS):
        yield from msgspec.convert(brought, RatingResult).problems


def _problems(problems: Iterable[RatingProblem], groups: dict[str, ExceptionGroup]) -> None:
    for one in problems:
        if one.code == "unpriced_usage":
            example = Example(
                subscription=one.subscription, detail_ru=one.meter, detail_en=one.meter
            )
            _group(groups, "unpriced_usage").add(example, count=one.events)
        else:
            said = {lang: str(one.params.get(lang, one.code)) for lang in ("ru", "en")}
            _group(groups, "not_priced").add(
                Example(
                    subscription=one.subscription,
                    detail_ru=f"{one.price}: {said['ru']}",
                    detail_en=f"{one.price}: {said['en']}",
                )
            )


def _usage(window: Period, groups: dict[str, ExceptionGroup]) -> None:
    until = window.end_instant(parties.tenant().row.zone)
    for one in rating.waiting_by_reason(until):
        if one.reason in ("unpriced_usage", "not_priced"):
            continue  # told by the run itself
        about = f"{one.subject}, {one.meter}"
        example = Example(detail_ru=about, detail_en=about)
        _group(groups, one.reason).add(example, count=one.events)


def _ranked(billed_in: date, which: str, **named: object) -> list[tuple[int, UUID]]:
    """Take documents evenly from the largest to the smallest of those meant."""
    given = {"most": SAMPLE, "tenant": current_tenant_id(), "billed_in": billed_in, **named}
    with connection.cursor() as cursor:
        cursor.execute(_EVENLY.format(which=which), given)
        return list(cursor.fetchall())


def _evenly(documents: Sequence[tuple[int, UUID]]) -> list[UUID]:
    """Take as many of these in the same way, which are of several parts."""
    ranked = sorted(documents, key=lambda one: (-one[0], one[1]))
    return [key for _, key in ranked[:: max(1, len(ranked) // SAMPLE)][:SAMPLE]]


def _sample(chosen: Sequence[UUID]) -> list[SampleDocument]:
    lines: dict[UUID, list[SampleLine]] = defaultdict(list)
    found = InvoiceLine.objects.filter(invoice_id__in=chosen).order_by("invoice_id", "position")
    for key, name, units, unit, total in found.values_list(
        "invoice_id", "name", "units", "unit", "total_minor"
    ):
        lines[key].append(SampleLine(name, exact_text(Fraction(units)), unit, total))
    documents = {one.pk: one for one in Invoice.objects.filter(pk__in=chosen)}
    return [
        SampleDocument(
            document_id=key,
            kind=documents[key].kind,
            customer_id=documents[key].customer_id,
            currency=documents[key].currency,
            total_minor=documents[key].total_minor,
            lines=lines[key][:SAMPLE_LINES],
            left_out=max(0, len(lines[key]) - SAMPLE_LINES),
        )
        for key in chosen
    ]


def _add(sums: dict[str, int], more: Mapping[Any, int]) -> None:
    for name, minor in more.items():
        sums[name] = sums.get(name, 0) + minor


def _group(groups: dict[str, ExceptionGroup], cause: str) -> ExceptionGroup:
    return groups.setdefault(cause, ExceptionGroup(cause))
