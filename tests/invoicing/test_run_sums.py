"""What a run that workers share is summed up to: part by part, and the same as all at once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from kvit.invoicing import _summary, services
from kvit.invoicing._summary import RunSummary, summary_of, summary_of_parts
from kvit.invoicing.models import BillRun, Invoice, RunOrder, RunPart
from kvit.invoicing.queries import run_info
from kvit.invoicing.rows import RunReport
from kvit.invoicing.services import _shares
from kvit.platform import jobs
from kvit.platform.tenancy import tenant_scope
from kvit.rating.rows import RatingResult
from kvit.subscriptions import services as subscriptions
from kvit.web.prove import company
from kvit.web.prove.company import ACTOR, NOVEMBER

pytestmark = pytest.mark.django_db(transaction=True)
PAYERS, GONE = 60, 3
DECEMBER = datetime(2026, 12, 2, 9, tzinfo=UTC)


@pytest.fixture
def november(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[UUID]:
    """A company that has billed October, and lost three payers; its run of November is ordered."""
    monkeypatch.setattr(_shares, "LEAST", 10)
    company.make(PAYERS, events=1)
    with tenant_scope(company.tenant().id):
        company.bill(chunk=PAYERS)
        ended = [company.amendment(n, NOVEMBER.start, "cancel") for n in range(1, 1 + GONE)]
        subscriptions.amend_many(ended, actor=ACTOR, now=DECEMBER)
        yield services.order_run(NOVEMBER.start, action="bill", author=ACTOR, now=DECEMBER)


def at_once(run: UUID) -> RunSummary:
    """The summary of a run of one worker that has made the same; its sample left out."""
    report = RunReport(run, RatingResult())
    for part in RunPart.objects.filter(run_id=run).order_by("stage", "place"):
        report.issued += part.issued
        if part.stage == "rating":
            report.rated.add(msgspec.convert(part.brought, RatingResult))
    return replace(summary_of(NOVEMBER, report), sample=[])


def invoiced(run: UUID) -> None:
    """Do the parts of an ordered run, and do not close it."""
    services._orders._begin(RunOrder.objects.get(pk=run))
    _shares.do_parts(run, "rating", _nowhere)
    _shares.begin_invoicing(run)
    _shares.do_parts(run, "invoicing", _nowhere)


def summed(run: UUID) -> RunSummary:
    totals = _shares.finished(run)
    assert totals is not None
    return replace(summary_of_parts(NOVEMBER, run, totals), sample=[])


def test_parts_and_who_is_in_none_come_to_the_whole(november: UUID) -> None:
    jobs.work_once()
    assert RunPart.objects.filter(stage="invoicing").count() == 6
    found = run_info(november)
    assert found is not None
    assert found.summary is not None
    assert replace(found.summary, sample=[]) == at_once(november)
    [sums] = found.summary.currencies
    assert (sums.documents, sum(sums.causes.values())) == (
        PAYERS - GONE, sums.total_minor - sums.before_minor,
    )  # fmt: skip
    groups = {one.cause: one.count for one in found.summary.exceptions}
    assert groups["no_bill"] == GONE


def test_documents_to_read_are_from_the_largest_to_the_smallest(november: UUID) -> None:
    jobs.work_once()
    found = run_info(november)
    assert found is not None
    assert found.summary is not None
    totals = [one.total_minor for one in found.summary.sample]
    assert (len(totals), totals) == (_summary.SAMPLE, sorted(totals, reverse=True))
    made = Invoice.objects.filter(billed_in=NOVEMBER.start)
    assert totals[0] == max(made.values_list("total_minor", flat=True))
    assert {one.document_id for one in found.summary.sample} <= set(
        made.values_list("pk", flat=True)
    )


def test_what_a_death_left_unsummed_is_summed_up_before_the_end(november: UUID) -> None:
    invoiced(november)
    RunPart.objects.filter(run_id=november, stage="invoicing", place=2).update(brought={})
    assert _shares.finished(november) is None
    assert BillRun.objects.get(pk=november).status == "running"
    services.perform(november, now=DECEMBER)
    found = run_info(november)
    assert found is not None
    assert (found.status, BillRun.objects.get(pk=november).status) == ("done", "done")
    assert found.summary is not None
    assert replace(found.summary, sample=[]) == at_once(november)


def test_sums_of_parts_that_hold_no_more_are_made_anew(november: UUID) -> None:
    invoiced(november)
    before = summed(november)
    voided = Invoice.objects.filter(billed_in=NOVEMBER.start).order_by("number")[0]
    services.void(voided.pk, reason="a mistake", author="user:b", now=DECEMBER)
    after = summed(november)
    assert after == at_once(november)
    assert after.currencies[0].total_minor == (
        before.currencies[0].total_minor - voided.total_minor
    )


def _nowhere(stage: str, done: int, whole: int) -> None:
    pass
