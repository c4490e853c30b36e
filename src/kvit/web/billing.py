"""A company's month from its own files: read the folder, bring the company to it, bill, print.

The one path of `kvit bill` and `kvit demo`. A dry run goes the same way inside a transaction that
is rolled back, so what it shows is what a real run would bill.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from django.db import transaction

from kvit.adapters.folder import read_folder
from kvit.core.periods import Period, local_date, zone_of
from kvit.core.wording import Words, money_text
from kvit.integrations import services as integrations
from kvit.integrations.port import CompanyFolder, Fault, Notice, Place, UsageRow, UsageSource
from kvit.invoicing import queries as invoicing
from kvit.invoicing import services as invoicing_services
from kvit.invoicing.rows import InvoiceInfo, Progress, RunReport, RunRequest, silent
from kvit.parties import queries as parties
from kvit.platform import clock as test_clock
from kvit.platform.failures import Failure
from kvit.platform.tenancy import tenant_scope
from kvit.rating import queries as rating
from kvit.rating.rows import RatingProblem, Unbilled, Untaken
from kvit.web.paper import Papers, print_documents

DONE, FAILED, NOTHING, WAITS = 0, 1, 2, 3
TOLD_EVERY = 5_000  # rows of usage between two looks at the progress
WORDS: Words = {
    "other_company": (
        "В папке {directory} компания «{found}», а в --tenant указана «{wanted}».",
        "The folder {directory} is of company “{found}”, --tenant names “{wanted}”.",
    ),
}


class OtherCompany(Failure):
    """The folder is of another company than the one asked for."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class BillOptions:
    """What `kvit bill` was asked.

    `now` is the business clock; None is the period's end, a time without zone is the company's.
    `lang` is the reader's language.
    """

    directory: Path
    window: Period
    actor: str
    lang: str = "ru"
    dry_run: bool = False
    strict: bool = False
    take_folder: bool = False
    now: datetime | None = None
    tenant: str = ""
    papers: bool = True  # whether what is issued is printed at once


@dataclass(slots=True)
class BillAnswer:
    """What was billed, what is wrong, what waits. `invoices` are all of the period, drafts too."""

    folder: CompanyFolder
    invoices: list[InvoiceInfo] = field(default_factory=list)
    new: frozenset[UUID] = frozenset()
    customers: Mapping[UUID, str] = field(default_factory=dict)  # codes
    names: Mapping[UUID, str] = field(default_factory=dict)
    papers: Papers | None = None
    faults: list[Fault] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    waiting: int = 0
    unchanged: int = 0
    put_off: int = 0  # late differences that the next period's run will bring
    earlier: tuple[Unbilled, ...] = ()  # what earlier periods left to runs of their own
    usage: integrations.UsageOutcome | None = None
    option: str = ""  # what a suggested command needs to mean this company

    @property
    def issued(self) -> list[InvoiceInfo]:
        return [one for one in self.invoices if one.status == "issued"]

    @property
    def drafts(self) -> list[InvoiceInfo]:
        return [one for one in self.invoices if one.status != "issued"]

    @property
    def status(self) -> int:
        """Return the exit status of the contract."""
        if self.faults and not self.invoices:
            return NOTHING
        return WAITS if self.faults or self.waiting else DONE


class _RolledBack(Exception):
    """Raised to leave nothing behind: a dry run, or a strict one that met a fault."""


def bill_folder(options: BillOptions, *, progress: Progress = silent) -> BillAnswer:
    """Read, plan, apply, bill, print. Faults are in the answer, never raised.

    Raises:
        NoCompanyFolder: there is nothing to read.
        OtherCompany: the folder is not of the company asked for.
    """
    progress("reading", 0, 0)
    folder = read_folder(options.directory)
    answer = BillAnswer(folder, faults=list(folder.faults))
    company = folder.company
    if company is None or folder.holds("company", "*"):
        return answer
    if options.tenant not in ("", company.code):
        raise OtherCompany(
            "other_company", directory=options.directory, found=company.code, wanted=options.tenant
        )
    clock = _clock(options, company.zone)
    if options.strict and answer.faults:
        _as_it_stands(options, answer)
    elif options.dry_run or options.strict:
        _bill_or_roll_back(options, answer, clock, progress)
    else:
        _bill(options, answer, clock, progress)
    if options.papers and not options.dry_run:
        _print(options, answer, clock, progress)
    return answer


def _clock(options: BillOptions, zone: str) -> datetime:
    now = options.now
    if now is None:
        return options.window.end_instant(zone)
    return (now if now.tzinfo else now.replace(tzinfo=zone_of(zone))).astimezone(UTC)


def _bill_or_roll_back(
    options: BillOptions, answer: BillAnswer, clock: datetime, progress: Progress
) -> None:
    try:
        with transaction.atomic():
            _bill(options, answer, clock, progress)
            if options.dry_run or answer.faults:
                raise _RolledBack
    except _RolledBack:
        if not options.dry_run:
            _as_it_stands(options, answer)


def _as_it_stands(options: BillOptions, answer: BillAnswer) -> None:
    """Nothing was billed: the period's invoices are those of earlier runs."""
    answer.invoices, answer.new, answer.unchanged = [], frozenset(), 0
    assert answer.folder.company is not None
    tenant = parties.tenant_by_code(answer.folder.company.code)
    if tenant is not None:
        answer.option = integrations.tenant_option(tenant.row.code)
        with tenant_scope(tenant.id):
            _read_invoices(options, answer)


def _bill(options: BillOptions, answer: BillAnswer, clock: datetime, progress: Progress) -> None:
    folder, actor = answer.folder, options.actor
    assert folder.company is not None
    zone = folder.company.zone
    tenant = integrations.ensure_tenant(folder, actor=actor, now=clock)
    answer.option = integrations.tenant_option(tenant.row.code)
    with tenant_scope(tenant.id):
        imported = integrations.apply_objects(
            folder, take_folder=options.take_folder, actor=actor, now=clock
        )
        answer.faults += imported.faults
        answer.faults += integrations.apply_triggers(
            folder,
            take_folder=options.take_folder,
            actor=actor,
            now=test_clock.now_for(tenant.id),
        )
        answer.notices += imported.outcome.notices
        until = options.window.end_instant(zone)
        counted = replace(folder, usage=tuple(_Counted(one, progress) for one in folder.usage))
        answer.usage = integrations.ingest_usage(counted, until=until, actor=actor, now=clock)
        answer.faults += answer.usage.faults
        answer.notices += answer.usage.notices
        answer.unchanged = imported.outcome.unchanged + answer.usage.repeated
        if not parties.sellers():
            return  # the fault that holds them is in the answer
        request = RunRequest(
            window=options.window,
            clock=clock,
            issue_on=_issue_on(options, clock, zone),
            gate=None if options.now is None else clock,
            held_subscriptions=imported.held_subscriptions,
            held_prices=imported.held_prices,
        )
        if not (options.dry_run or options.strict):  # those are one transaction, and nobody's else
            invoicing_services.join_run(options.window, now=clock)
        report = invoicing_services.run(request, actor=actor, now=clock, progress=progress)
        _tell(options, answer, report)
        answer.waiting, untaken = rating.waiting_usage(until, imported.held_subscriptions)
        answer.faults += [_untaken(one, answer.usage.of_customers) for one in untaken]
        # A row whose lookup finds nobody is read again by the next run: nothing of it is stored.
        answer.waiting += sum(one.code == "unknown_lookup" for one in answer.usage.faults)
        answer.earlier = rating.unbilled_before(options.window)


def _issue_on(options: BillOptions, clock: datetime, zone: str) -> date:
    """The date that documents bear: the last day of the period, or the day of the given clock."""
    if options.now is not None:
        return local_date(clock, zone)
    return date.fromordinal(options.window.end.toordinal() - 1)


def _tell(options: BillOptions, answer: BillAnswer, report: RunReport) -> None:
    _read_invoices(options, answer)
    answer.new = frozenset(report.issued)
    answer.put_off = report.rated.put_off
    answer.faults += [_problem(one, options.lang) for one in report.problems]
    answer.faults += [
        Fault(
            f"waits_for_{one.waits_for}",
            Place(""),
            {
                "code": answer.customers[one.customer_id],
                "total": money_text(one.total_minor, one.currency, options.lang),
                "document": str(one.id) + answer.option,
            },
        )
        for one in answer.drafts
    ]


def _read_invoices(options: BillOptions, answer: BillAnswer) -> None:
    answer.invoices = invoicing.of_period(options.window.start)
    people = parties.customers_by_id({one.customer_id for one in answer.invoices})
    answer.customers = {key: one.row.code for key, one in people.items()}
    answer.names = {key: one.row.name for key, one in people.items()}


def _untaken(usage: Untaken, rows: Mapping[tuple[str, str], Place]) -> Fault:
    """Name usage that nobody takes by its first row, where the folder still has it."""
    place = Place("subscriptions.csv", None, "start")
    if usage.reason == "usage_ambiguous":
        unseen = Place("subscriptions.csv", None, "customer")
        place = rows.get((usage.subject, usage.meter), unseen)
    told = {"code": usage.subject, "meter": usage.meter, "events": str(usage.events)}
    return Fault(usage.reason, place, told)


def _problem(problem: RatingProblem, lang: str) -> Fault:
    if problem.code == "unpriced_usage":
        return Fault(
            "unpriced_usage",
            Place("subscriptions.csv", None, "plan"),
            {"code": problem.subscription, "meter": problem.meter, "events": str(problem.events)},
        )
    detail = problem.params.get(lang, problem.code)
    return Fault(
        "not_priced",
        Place("catalogue.toml", None, problem.price),
        {"code": problem.subscription, "price": problem.price, "detail": detail},
    )


def _print(options: BillOptions, answer: BillAnswer, clock: datetime, progress: Progress) -> None:
    if not answer.issued:
        return
    assert answer.folder.company is not None
    tenant = parties.tenant_by_code(answer.folder.company.code)
    assert tenant is not None  # somebody's invoices
    with tenant_scope(tenant.id):
        answer.papers = print_documents(
            answer.issued,
            f"{options.window.start:%Y-%m}",
            actor=options.actor,
            now=clock,
            progress=lambda done, whole: progress("printing", done, whole),
        )
    boxed = answer.papers.boxed
    answer.notices += [
        Notice(
            "letters_without_shape",
            Place("customers.csv", None, "name"),
            {"number": one.number, "code": answer.customers[one.customer_id]},
        )
        for one in answer.issued
        if one.id in boxed
    ]


@dataclass(frozen=True, slots=True)
class _Counted:
    """A usage file that tells how far it is read. How many rows it has nobody knows before."""

    source: UsageSource
    progress: Progress

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def file(self) -> str:
        return self.source.file

    def rows(self) -> Iterator[UsageRow | Fault | Notice]:
        for number, row in enumerate(self.source.rows(), 1):
            if not number % TOLD_EVERY:
                self.progress("reading", number, 0)
            yield row
