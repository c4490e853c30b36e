"""The flows that are killed everywhere: each may be begun again, and then ends as if never killed.

A client who was not answered asks again under the same key (amendment, correction); a worker that
was killed is started again (bill run, shared run, approval); a file is sent again (intake).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
from procrastinate.contrib.django import app

from kvit.invoicing import services as invoicing
from kvit.ledger.queries import BOOKS
from kvit.ledger.services import log_postings
from kvit.metering import services as metering
from kvit.metering.queries import Settled
from kvit.metering.rows import EARLIEST, BulkIn, EventIn, RejectedIn
from kvit.platform import durable_log, files, idempotency
from kvit.platform.audit_signed import JOURNAL
from kvit.platform.tenancy import tenant_scope
from kvit.subscriptions import services as subscriptions
from kvit.web import sealing as usage
from kvit.web.prove import company
from kvit.web.prove.company import ACTOR, LATER, NOVEMBER, OCTOBER
from kvit.web.prove.outcome import chance_of
from kvit.web.prove.planted import attribute

WHY = "Простой"
FEW = 3  # customers: what is done for one at a time
MANY, CHUNK = 30, 20  # customers and a chunk: one is billed as a set, the rest one by one
SENT = 100  # events: more than are inserted row by row
REQUESTS, A_REQUEST = 2, 8  # in bulk, and its events
# Of requests that are sent again: which of them came together, and what was told of each.
TOLD = (
    "metering_batch", "metering_bulkverdict", "metering_usagecounter", "position",
    "platform_auditrow", "platform_eventlog",
)  # fmt: skip
Act = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Flow:
    """`prepare` makes the database that `act` begins with, on top of the company's."""

    name: str
    act: Act
    prepare: Act | None = None
    approval: bool = False
    customers: int = FEW
    writes_files: bool = False
    apart: tuple[str, ...] = ()  # tables and columns that depend on how often it was tried


def bill_run() -> None:
    company.bill(chunk=CHUNK)


def differences() -> None:
    """The month after: advances, usage, and what a backdated change made of October."""
    company.bill(NOVEMBER, chunk=CHUNK)


def amendment() -> None:
    """Three changes of two subscriptions in one request, one of them backdated."""
    changes = [
        company.amendment(0, date(2026, 11, 5), "quantity", "3"),
        company.amendment(0, date(2026, 10, 16), "discount", {"percent": "15"}),
        company.amendment(1, date(2026, 11, 1), "plan", "pre"),
    ]
    _asked("amend", lambda: subscriptions.amend_many(changes, actor=ACTOR, now=LATER))


def intake() -> None:
    """A file with new events, repeats, a conflict and a row that cannot be read."""
    rows = [company.event(n % FEW, n // FEW, day=20) for n in range(10, SENT)]
    rows += [company.event(0, 0), company.event(1, 0, value=999)]
    unread = [RejectedIn(7, "time", "bad_time", raw="x,y")]
    metering.ingest(rows, source="meter", actor=ACTOR, now=LATER, rejected=unread, origin="f.csv")


def sealing() -> None:
    """Usage sealed into a file, and the row that names it."""
    metering.seal(now=LATER)


def releasing() -> None:
    """Rows of events leave for the sealed file, some at a time."""
    with attribute(import_module("kvit.metering._release"), "CHUNK", A_REQUEST):
        metering.release(Settled(LATER, LATER), actor=ACTOR, now=LATER)


def returning() -> None:
    """They come back."""
    with attribute(import_module("kvit.metering._release"), "CHUNK", A_REQUEST):
        metering.bring_back(since=EARLIEST, actor=ACTOR, now=LATER)


def bulk() -> None:
    """Two requests kept in the log, and looked into. A client that was not answered asks again."""
    for part in range(REQUESTS):
        told = files.folder().parent.parent / "client" / str(part)
        if not told.exists():
            places = range(200 + part * A_REQUEST, 200 + (part + 1) * A_REQUEST)
            rows = [company.event(n % FEW, n // FEW, day=21) for n in places]
            asked = [BulkIn(body_of(rows), len(rows), "meter")]
            metering.keep_bulk(asked, actor=ACTOR, now=LATER)
            told.touch()
    durable_log.writer().close()  # as each second
    usage.take_up_tenant(now=LATER)


def correction() -> None:
    """A credit of one invoice, then a void of another: two requests."""
    first, second = _invoices()[:2]
    _asked("credit", lambda: invoicing.credit(first, {1: 30_000}, reason=WHY, author=ACTOR,
                                              now=LATER))  # fmt: skip
    _asked("void", lambda: invoicing.void(second, reason=WHY, author=ACTOR, now=LATER))


def signing() -> None:
    """What was posted and recorded since the last checkpoint goes into the signed logs."""
    # Who is killed was forked from a life that holds the log's lock; nobody else is at it here.
    unlocked = SimpleNamespace(LOCK_EX=0, flock=lambda descriptor, how: None)
    # A worker has signed before: that its folders have names on the disk it has seen to already.
    for one in (BOOKS, JOURNAL):
        for folder in (one.log().folder / "checkpoints").rglob("*/"):
            files.make_folder(folder)
    with attribute(import_module("kvit.platform.tlog"), "fcntl", unlocked):
        log_postings(beside=None)
        JOURNAL.append(beside=None)


def approval() -> None:
    """Drafts approved some at a time, as a worker does it."""
    drafts = company.ask(
        "SELECT id FROM invoicing_invoice WHERE status = 'draft' ORDER BY created_at, id"
    )
    for start in range(0, len(drafts), CHUNK):
        keys = [key for (key,) in drafts[start : start + CHUNK]]
        invoicing.approve(keys, approver=ACTOR, now=LATER, issue_on=OCTOBER.end - timedelta(1))


def shared_run() -> None:
    """A run that somebody ordered, by the three jobs in which workers share it, in several parts;
    each of them is taken up again when its worker dies."""
    [[key]] = company.ask("SELECT id::text FROM invoicing_runorder")
    with attribute(import_module("kvit.invoicing.services._shares"), "LEAST", CHUNK):
        for name in ("invoicing.order", "invoicing.order.rate", "invoicing.order.issue"):
            app.tasks[name].func(tenant=str(company.tenant().id), order=key)


def _order() -> None:
    now = OCTOBER.end_instant(company.ZONE)
    invoicing.order_run(OCTOBER.start, action="bill", author=ACTOR, now=now)


def _signed_and_corrected() -> None:
    bill_run()
    signing()
    correction()


def _billed_and_amended() -> None:
    bill_run()
    amendment()


# In the order of `--size`: the first of them are killed by default.
FLOWS = (
    Flow("bill run", bill_run, customers=MANY),
    Flow("amendment", amendment, bill_run),
    Flow("intake", intake),
    Flow("correction", correction, bill_run),
    Flow("sealing", sealing, intake, writes_files=True),
    Flow("bulk", bulk, writes_files=True, apart=TOLD),
    Flow("differences", differences, _billed_and_amended, customers=MANY),
    Flow("shared run", shared_run, _order, customers=MANY),
    Flow("approval", approval, bill_run, approval=True, customers=MANY),
    Flow("releasing", releasing, writes_files=True),
    Flow("returning", returning, releasing),
    Flow("signing", signing, _signed_and_corrected, writes_files=True),
)


def body_of(events: Iterable[EventIn]) -> bytes:
    """Write events as a client sends them."""
    return orjson.dumps(
        [
            {
                "id": one.event_id,
                "subscription": one.subject,
                "meter": one.meter,
                "time": one.time.isoformat(),
                "value": str(one.value),
            }
            for one in events
        ]
    )


def named(name: str) -> Flow:
    return next(one for one in FLOWS if one.name == name)


def fill(flow: Flow, seed: int) -> None:
    """Write the database that the flow begins with; the seed draws some of its usage."""
    chance = chance_of(seed, "usage")
    company.make(flow.customers, approval=flow.approval, chance=chance)
    if flow.prepare is not None:
        with tenant_scope(company.tenant().id):
            flow.prepare()


def run(flow: Flow) -> None:
    """Act in the company's scope."""
    with tenant_scope(company.tenant().id):
        flow.act()


def _asked(key: str, act: Callable[[], Any]) -> None:
    """Do what a request asks, once, however often it is asked."""
    idempotency.once(
        scope="prove", key=key, request=key.encode(), act=lambda: {"done": str(bool(act()))}
    )


def _invoices() -> list[UUID]:
    found = company.ask(
        "SELECT id FROM invoicing_invoice WHERE kind = 'invoice' AND net_minor > 100000"
        " ORDER BY customer_id"
    )
    return [key for (key,) in found]
