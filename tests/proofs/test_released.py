"""A company whose events leave the database after each step bills, explains and verifies as one
whose rows stay: the same lines, whys, postings and facts."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kvit.platform.tenancy import tenant_scope
from kvit.web.prove.ground import Ground

# What leaves leaves traces: what is read instead of rows, and who let them go. A repeat that no row
# is inserted for, and refused, takes no number: an event's `event` may be another.
TRACES = ("metering_usageevent", "metering_releasedevent", "metering_releasedseal",
          "metering_segment", "platform_auditrow", "event")  # fmt: skip
UUIDS = re.compile(r"UUID\('[0-9a-f-]{36}'\)|'[0-9a-f]{8}-[0-9a-f-]{27}'")


def history(settle: Callable[[], Any]) -> dict[str, Any]:
    """October billed; late usage, a conflict, events undone and replaced; a backdated change that
    cuts a stretch behind all its usage; November and differences billed. `settle` comes after each
    step."""
    from kvit.metering import queries, services
    from kvit.rating import queries as rating
    from kvit.rating.explain import explain
    from kvit.web.prove import company, flows

    who: dict[str, Any] = {"actor": company.ACTOR, "now": company.LATER}
    steps: list[Callable[[], Any]] = [
        flows.bill_run,
        flows.intake,
        lambda: services.resolve_conflict(
            queries.conflicts().get()["id"], outcome="replace", reason="proof", **who
        ),
        partial(services.retract, [("meter", "e-1-0"), ("meter", "e-2-12")], reason="r", **who),
        flows.amendment,
        flows.differences,
    ]
    for step in steps:
        step()
        settle()
    charges = [key for (key,) in company.ask(
        "SELECT id FROM rating_charge ORDER BY subscription_code, price_key, period_start,"
        " amount_minor, reason"
    )]  # fmt: skip
    assert rating.billed_events() > 0
    return {
        "whys": [UUIDS.sub("…", repr(explain(key))) for key in charges],
        "broken": company.broken(),
        "counts": queries.counts(),
    }


@pytest.mark.slow
def test_bills_and_whys_do_not_depend_on_where_events_are(ground: Ground, file_store: Path) -> None:
    from kvit.metering import services
    from kvit.metering.models import UsageEvent
    from kvit.metering.queries import Settled
    from kvit.web.prove import company, dump

    def gone() -> None:
        far = company.LATER + timedelta(days=99)
        services.release(Settled(far, far), actor="x", now=company.LATER)

    template = ground.template("released", lambda: company.make(3))
    found = []
    for settle in (lambda: None, gone):
        with ground.copy(template), tenant_scope(company.tenant().id):
            known = dump.ids()
            told = history(settle)
            rows = dump.rows(known, without=TRACES)
            found.append((told, rows, UsageEvent.objects.count()))
    (kept, kept_rows, stayed), (released, released_rows, left) = found
    assert (stayed > 90, left) == (True, 0)
    assert kept["broken"] == []
    assert released == kept
    assert dump.difference(released_rows, kept_rows) == []
