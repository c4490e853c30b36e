"""The check of every night: silent while all holds, and an event with an audit row when not."""

from datetime import datetime

from kvit.parties.rows import Tenant
from kvit.platform.models import AuditRow, EventLog
from kvit.web import nightly
from kvit.web.invariants import Broken, TenantReport


def test_a_night_in_which_everything_holds_tells_nothing(tenant: Tenant, now: datetime) -> None:
    nightly.verify.run(now=now)
    assert not EventLog.objects.filter(topic="insight.invariants.broken").exists()
    assert not AuditRow.objects.filter(action="insight.invariants.broken").exists()


def test_what_does_not_hold_is_an_event_and_an_audit_row(tenant: Tenant, now: datetime) -> None:
    report = TenantReport("acme")
    report.broken = [
        Broken("acme", "postings_not_the_document", "invoice:1", "100, not 90", 2),
        Broken("acme", "balance_not_the_fold", "account:main/62.01", "1, not 0", 1),
    ]
    nightly.tell(report, now=now)
    told = EventLog.objects.get(topic="insight.invariants.broken")
    assert (told.key, told.payload) == (
        str(tenant.id),
        {
            "day": "2026-11-01",
            "codes": ["balance_not_the_fold", "postings_not_the_document"],
            "rows": 3,
        },
    )
    row = AuditRow.objects.get(action="insight.invariants.broken")
    assert row.after == {
        "postings_not_the_document": {"row": "invoice:1", "rows": 2},
        "balance_not_the_fold": {"row": "account:main/62.01", "rows": 1},
    }
