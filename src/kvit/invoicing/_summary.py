"""What a bill run brought, summed up once when it is over: sums, causes, what needs a person.

A page shows it without counting a hundred thousand documents anew, and a dry run's is all that is
left of it. It keeps ids and figures; names are asked for when it is shown.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import Count

from kvit.core.bridge import CAUSES
from kvit.core.money import exact_text
from kvit.core.periods import Period
from kvit.invoicing._bridge import PayerBills, compared, period_before
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
    SELECT id FROM (
        SELECT id, row_number() OVER (ORDER BY total_minor DESC, id) - 1 AS place,
               greatest(1, count(*) OVER () / %(most)s) AS step
        FROM invoicing_invoice
        WHERE tenant_id = %(tenant)s AND billed_in = %(billed_in)s AND kind = 'invoice'
          AND {which}) ranked
    WHERE place %% step = 0 ORDER BY place LIMIT %(most)s
"""
_ALL = "true"
_NAMED = "id = ANY(%(made)s)"
_OF_PARTS = """id IN (
    SELECT unnest(issued || drafts) FROM invoicing_runpart
    WHERE tenant_id = %(tenant)s AND run_id = %(run)s AND stage = 'invoicing')"""
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
            known = self.sums.get(example.currency, 0)
            self.sums[example.currency] = known + example.now_minor
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


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
    made = [*report.issued, *report.drafts]
    sample = _sample(window.start, _NAMED if made else _ALL, made=made)
    return _summed(window, report.totals, report.problems, sample)


@transaction.atomic
def summary_of_parts(window: Period, run_id: UUID, totals: RunTotals) -> RunSummary:
    """Sum up a billing period after a run that workers shared, whatever its size in as much
    memory: documents and faults are named by its parts."""
    made = totals.issued + totals.drafts
    sample = _sample(window.start, _OF_PARTS if made else _ALL, run=run_id)
    return _summed(window, totals, _problems_of(run_id), sample)


def _summed(
    window: Period,
    totals: RunTotals,
    problems: Iterable[RatingProblem],
    sample: list[SampleDocument],
) -> RunSummary:
    previous = period_before(window.start)
    sums, groups = _compared(window.start, previous)
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
        currencies=sums,
        exceptions=[groups[cause] for cause in CAUSES_OF_EXCEPTIONS if cause in groups],
        sample=sample,
    )


def to_document(summary: RunSummary) -> dict[str, object]:
    """Return what is stored."""
    found: dict[str, object] = msgspec.to_builtins(summary)
    return found


def from_document(document: dict[str, object]) -> RunSummary | None:
    """Read a stored summary back; None where the run brought none."""
    return msgspec.convert(document, RunSummary) if document else None


def _compared(
    billed_in: date, previous: date | None
) -> tuple[list[CurrencySums], dict[str, ExceptionGroup]]:
    groups: dict[str, ExceptionGroup] = {}
    before: Counter[str] = Counter()
    now: Counter[str] = Counter()
    causes: dict[str, Counter[str]] = defaultdict(Counter)
    asked: list[PayerBills] = []
    for one in compared(billed_in, previous):
        before[one.currency] += one.before_minor
        now[one.currency] += one.now_minor
        causes[one.currency].update(one.causes)
        for cause in _exceptional(one):
            _group(groups, cause).add(_example(one))
        if one.now_minor:
            asked.append(one)
        if len(asked) == TOGETHER:
            _requisites(asked, groups)
            asked = []
    _requisites(asked, groups)
    found = Invoice.objects.filter(billed_in=billed_in, kind="invoice").values_list("currency")
    counts = Counter(dict(found.annotate(n=Count("pk")).order_by()))
    sums = [
        CurrencySums(
            currency, counts[currency], now[currency], before[currency],
            {cause: causes[currency][cause] for cause in CAUSES if causes[currency][cause]},
        )
        for currency in sorted({*now, *before})
    ]  # fmt: skip
    return sums, groups


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


def _sample(billed_in: date, which: str, **named: object) -> list[SampleDocument]:
    """Take documents evenly from the largest to the smallest of those meant."""
    given = {"most": SAMPLE, "tenant": current_tenant_id(), "billed_in": billed_in, **named}
    with connection.cursor() as cursor:
        cursor.execute(_EVENLY.format(which=which), given)
        chosen = [key for (key,) in cursor.fetchall()]
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


def _group(groups: dict[str, ExceptionGroup], cause: str) -> ExceptionGroup:
    return groups.setdefault(cause, ExceptionGroup(cause))
