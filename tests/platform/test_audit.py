"""Audit rows."""

from datetime import datetime

from kvit.parties.rows import Tenant
from kvit.platform.audit import Change, acting_from, record, record_many
from kvit.platform.models import AuditRow


def test_a_row_says_who_what_when_where_and_why(tenant: Tenant, now: datetime) -> None:
    with acting_from("10.0.0.7"):
        record(
            action="invoice.voided",
            object_type="invoicing.invoice",
            object_id="7",
            before={"state": "issued"},
            after={"state": "void"},
            actor="user:5",
            now=now,
            reason="issued twice",
        )
    row = AuditRow.objects.get(object_type="invoicing.invoice")
    assert (row.actor, row.origin, row.at, row.action) == (
        "user:5",
        "10.0.0.7",
        now,
        "invoice.voided",
    )
    assert (row.object_id, row.before, row.after, row.reason) == (
        "7",
        {"state": "issued"},
        {"state": "void"},
        "issued twice",
    )
    assert row.recorded_at is not None


def test_the_origin_ends_with_its_block(tenant: Tenant, now: datetime) -> None:
    with acting_from("outer"):
        with acting_from("inner"):
            record_many([Change("a", "t", "1")], actor="x", now=now)
        record_many([Change("a", "t", "2")], actor="x", now=now)
    record_many([Change("a", "t", "3")], actor="x", now=now)
    rows = AuditRow.objects.filter(object_type="t").order_by("object_id")
    assert [row.origin for row in rows] == [
        "outer" if r == 2 else "inner" if r == 1 else "" for r in (1, 2, 3)
    ]
