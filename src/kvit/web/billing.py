"""A company's month from its own files: read the folder, bring the company to it, bill, print.

The one path of `kvit bill` and `kvit demo`. A dry run goes the same way inside a transaction that
is rolled back, so what it shows is what a real run would bill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from kvit.adapters.folder import read_folder
from kvit.core.money import minor_text
from kvit.core.periods import Period, local_date
from kvit.core.wording import money_text, number_text
from kvit.documents import queries as documents
from kvit.documents import services as documents_services
from kvit.documents.compose import compose
from kvit.integrations import services as integrations
from kvit.integrations.port import CompanyFolder, Fault, Notice, Place
from kvit.invoicing import queries as invoicing
from kvit.invoicing import services as invoicing_services
from kvit.invoicing.rows import InvoiceInfo, Progress, RunReport, RunRequest, silent
from kvit.parties import queries as parties
from kvit.platform import files
from kvit.platform.tenancy import tenant_scope
from kvit.rating.rows import RatingProblem

DONE, FAILED, NOTHING, WAITS = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class BillOptions:
    """What `kvit bill` was asked. `now` is the business clock; None is the period's end."""

    directory: Path
    window: Period
    actor: str
    dry_run: bool = False
    strict: bool = False
    take_folder: bool = False
    now: datetime | None = None


@dataclass(slots=True)
class BillAnswer:
    """What was billed, what is wrong, what waits."""

    folder: CompanyFolder
    invoices: list[InvoiceInfo] = field(default_factory=list)
    new: frozenset[UUID] = frozenset()
    customers: Mapping[UUID, str] = field(default_factory=dict)
    pdfs: Mapping[UUID, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    waiting: int = 0
    unchanged: int = 0
    put_off: int = 0
    usage: integrations.UsageOutcome | None = None

    @property
    def status(self) -> int:
        """Return the exit status of the contract."""
        issued = [one for one in self.invoices if one.status == "issued"]
        if not issued and self.faults:
            return NOTHING
        return WAITS if self.faults or self.waiting else DONE


class _DryRun(Exception):
    """Raised to roll a dry run back."""


def bill_folder(options: BillOptions, *, progress: Progress = silent) -> BillAnswer:
    """Read, plan, apply, bill. Faults are in the answer, never raised.

    Raises:
        NoCompanyFolder: there is nothing to read.
    """
    folder = read_folder(options.directory)
    answer = BillAnswer(folder, faults=list(folder.faults))
    if folder.company is None or folder.holds("company", "*"):
        return answer
    if options.strict and answer.faults:
        return answer
    clock = options.now or options.window.end_instant(folder.company.zone)
    if not (options.dry_run or options.strict):
        _bill(options, folder, answer, clock, progress)
        return answer
    try:
        with transaction.atomic():
            _bill(options, folder, answer, clock, progress)
            if options.dry_run or answer.faults:
                raise _DryRun
    except _DryRun:
        if not options.dry_run:
            answer.invoices, answer.new, answer.unchanged = [], frozenset(), 0
    if not options.dry_run:
        _print(answer, clock, options.actor)
    return answer


def _bill(
    options: BillOptions,
    folder: CompanyFolder,
    answer: BillAnswer,
    clock: datetime,
    progress: Progress,
) -> None:
    assert folder.company is not None
    actor, zone = options.actor, folder.company.zone
    tenant = integrations.ensure_tenant(folder, actor=actor, now=clock)
    with tenant_scope(tenant.id):
        progress("reading", 0, 1)
        imported = integrations.apply_objects(
            folder, take_folder=options.take_folder, actor=actor, now=clock
        )
        answer.faults += imported.faults
        until = options.window.end_instant(zone)
        answer.usage = integrations.ingest_usage(folder, until=until, actor=actor, now=clock)
        answer.faults += answer.usage.faults
        answer.notices += answer.usage.notices
        answer.unchanged = imported.outcome.unchanged + answer.usage.repeated
        progress("reading", 1, 1)
        request = RunRequest(
            window=options.window,
            clock=clock,
            issue_on=_issue_on(options, zone),
            gate=options.now,
            held_subscriptions=imported.held_subscriptions,
            held_prices=imported.held_prices,
        )
        report = invoicing_services.run(request, actor=actor, now=clock, progress=progress)
        _answer(options, answer, report, until)
    if not (options.dry_run or options.strict):
        with tenant_scope(tenant.id):
            _print(answer, clock, actor)


def _issue_on(options: BillOptions, zone: str) -> date:
    """The date that documents bear: the last day of the period, or the day of the given clock."""
    if options.now is not None:
        return local_date(options.now, zone)
    return date.fromordinal(options.window.end.toordinal() - 1)


def _answer(
    options: BillOptions, answer: BillAnswer, report: RunReport, until: datetime
) -> None:
    answer.invoices = invoicing.of_period(options.window.start)
    answer.new = frozenset(report.issued)
    people = parties.customers_by_id({one.customer_id for one in answer.invoices})
    answer.customers = {key: one.row.code for key, one in people.items()}
    answer.put_off = report.rated.put_off
    answer.waiting = integrations.waiting(until) + sum(
        one.events for one in report.problems if one.code == "unpriced_usage"
    )
    answer.faults += [_problem(one) for one in report.problems]
    answer.faults += [
        Fault(
            f"waits_for_{one.waits_for}",
            Place(""),
            {
                "code": answer.customers[one.customer_id],
                "total": money_text(one.total_minor, one.currency, "ru"),
                "document": str(one.id),
            },
        )
        for one in answer.invoices
        if one.waits_for
    ]


def _problem(problem: RatingProblem) -> Fault:
    if problem.code == "unpriced_usage":
        return Fault(
            "unpriced_usage",
            Place("subscriptions.csv", None, "plan"),
            {"code": problem.subscription, "meter": problem.meter, "events": str(problem.events)},
        )
    detail = problem.params.get("ru", problem.code)
    return Fault(
        "not_priced",
        Place("catalogue.toml", None, problem.price),
        {"code": problem.subscription, "price": problem.price, "detail": detail},
    )


def _print(answer: BillAnswer, clock: datetime, actor: str) -> None:
    """Render what has no paper yet. Bytes are kept under their hash: a reprint is the same file."""
    ids = [one.id for one in answer.invoices if one.status == "issued"]
    have = documents.rendered_hashes(ids)
    missing = [key for key in ids if not any(known == key for known, _ in have)]
    made = documents_services.render_many(compose(missing), actor=actor, now=clock)
    kinds = {"act"}
    answer.pdfs = {
        key: str(files.path_of(digest))
        for (key, kind), digest in {**have, **made}.items()
        if kind not in kinds
    }


def document(answer: BillAnswer, period: str) -> dict[str, Any]:
    """Return the contract's JSON answer."""
    return {
        "period": period,
        "invoices": [
            _invoice(one, answer) for one in answer.invoices if one.status == "issued"
        ],
        "drafts": [_invoice(one, answer) for one in answer.invoices if one.status != "issued"],
        "faults": [_fault(one, answer) for one in answer.faults],
        "notices": [_fault(one, answer) for one in answer.notices],
        "waiting": answer.waiting,
        "unchanged": answer.unchanged,
    }


def _invoice(info: InvoiceInfo, answer: BillAnswer) -> dict[str, Any]:
    def text(minor: int) -> str:
        return minor_text(minor, info.currency)

    return {
        "number": info.number,
        "kind": info.kind,
        "customer": answer.customers[info.customer_id],
        "currency": info.currency,
        "net": text(info.net_minor),
        "vat": text(info.vat_minor),
        "total": text(info.total_minor),
        "pdf": answer.pdfs.get(info.id),
        "new": info.id in answer.new,
        "lines": [
            {
                "subscription": line.subscription,
                "price": line.price,
                "name": line.name,
                "units": decimal_text(line.units),
                "net": text(line.net_minor),
                "vat": text(line.vat_minor),
                "total": text(line.total_minor),
            }
            for line in info.lines
        ],
    }


def decimal_text(units: object) -> str:
    """Write a stored decimal without trailing zeros and without an exponent."""
    text = f"{units:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _fault(fault: Fault, answer: BillAnswer) -> dict[str, Any]:
    lang = answer.folder.company.language if answer.folder.company else "ru"
    return {
        "code": fault.code,
        "file": fault.place.file,
        "row": fault.place.row,
        "field": fault.place.field,
        "message": fault.message(lang),
        "remedy": fault.remedy(lang),
    }


__all__: Sequence[str] = ["BillAnswer", "BillOptions", "bill_folder", "document", "number_text"]
