"""Every night each company drops what has outlived its keeping: old answers, old webhooks; and
from the store of files goes what no row names: files of a sealing or a printing that was killed.

What is kept for ever is not here: usage, charges, documents, postings, the event log, the journal.
"""

import logging
from datetime import UTC, datetime, timedelta

from django.db import transaction

from kvit.documents import queries as documents
from kvit.integrations import services as integrations
from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.platform import audit, files, idempotency, settings
from kvit.platform.jobs import every_night, job
from kvit.platform.tenancy import current_tenant_id, tenant_scope

ACTOR = "job:retention"
UNNAMED = timedelta(days=7)  # longer than any transaction, after which a file must have a row

_log = logging.getLogger("kvit.retention")


@job(name="web.forget_old")
def forget_old(*, now: datetime) -> None:
    """Drop what is old in the company in scope, by the real time: a company may live by a test
    clock that is years ahead, its answers are kept by the server's."""
    drop_old(now=datetime.now(UTC))


def drop_old(*, now: datetime) -> None:
    """Drop what is older than the settings keep."""
    keep = settings.load()
    answers = idempotency.forget_answers(before=now - timedelta(days=keep.keep_answers_days))
    deliveries = integrations.forget_deliveries(
        before=now - timedelta(days=keep.keep_deliveries_days)
    )
    if answers or deliveries:
        with transaction.atomic():
            audit.record(
                action="retention.done",
                object_type="parties.tenant",
                object_id=str(current_tenant_id()),
                after={"answers": answers, "deliveries": deliveries},
                actor=ACTOR,
                now=now,
            )


@every_night(name="web.forget_old_all")
def forget_old_all() -> None:
    """Leave a job for each company."""
    for one in parties.tenants():
        with tenant_scope(one.id):
            forget_old.defer(key=f"retention:{one.id}")


@every_night(name="web.drop_unnamed_files")
def drop_unnamed_files() -> None:
    """Drop files of the store that no row of any company names, and that nobody has put lately."""
    named: set[str] = set()
    for one in parties.tenants():
        with tenant_scope(one.id), transaction.atomic():
            named.update(documents.digests())
            named.update(metering.segment_digests())
    try:
        dropped = files.drop_unnamed(named, before=datetime.now(UTC) - UNNAMED)
    except (
        files.ForeignStore
    ) as error:  # another database's, or one that was restored from long ago
        _log.error("no files are dropped: %s", error)
        return
    if dropped:
        _log.info("dropped %s files of the store that no row names", dropped)
