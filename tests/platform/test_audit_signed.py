"""The journal in a signed log: what its owner changes, drops or slips in is named."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import transaction

from kvit.parties.rows import Tenant
from kvit.platform import audit
from kvit.platform.audit_signed import JOURNAL
from kvit.platform.models import AuditRow
from kvit.platform.row_log import NotLogged

pytestmark = pytest.mark.django_db(transaction=True)


@transaction.atomic
def did(count: int, now: datetime) -> None:
    for n in range(count):
        audit.record(
            action="seller.changed", object_type="parties.seller", object_id=str(n),
            before={"n": n}, after={"n": n + 1}, actor="user:7", now=now, reason="Ромашка",
        )  # fmt: skip


def told() -> list[tuple[str, str, str]]:
    return [tuple(one)[:3] for one in JOURNAL.problems()]


def tampered(owner: psycopg.Connection[Any], *statements: str) -> None:
    guards = ("TRIGGER USER", "ROW LEVEL SECURITY")
    with owner.transaction():
        for one in guards:
            owner.execute(f"ALTER TABLE platform_auditrow DISABLE {one}")
        for one in statements:
            owner.execute(one)
        for one in guards:
            owner.execute(f"ALTER TABLE platform_auditrow ENABLE {one}")


def test_every_row_is_signed_once_in_its_order(
    tenant: Tenant, now: datetime, file_store: Path
) -> None:
    before = AuditRow.objects.count()
    did(3, now)
    assert JOURNAL.is_behind()
    assert JOURNAL.append(beside=None) == before + 3
    assert (JOURNAL.append(beside=None), JOURNAL.is_behind(), told()) == (0, False, [])
    did(300, now)
    assert JOURNAL.append(beside=None) == 300
    log = JOURNAL.log()
    assert [one.size for one in log.signed()] == [before + 3, before + 303]
    said = json.loads(log.entry(before, before + 303))
    row = AuditRow.objects.order_by("number")[before]
    assert said[:9] == [
        "kvit.audit.v1", row.number, str(row.pk), "user:7", now.isoformat(),
        row.recorded_at.isoformat(), "seller.changed", "parties.seller", "0",
    ]  # fmt: skip
    assert "Ромашка" not in json.dumps(said, ensure_ascii=False)
    numbers = AuditRow.objects.order_by("number").values_list("object_id", flat=True)
    assert list(numbers)[-300:] == [str(n) for n in range(300)]


def test_what_was_done_to_signed_rows_is_named(
    tenant: Tenant, now: datetime, file_store: Path, owner: psycopg.Connection[Any]
) -> None:
    did(4, now)
    JOURNAL.append(beside=None)
    did(0, now)
    JOURNAL.append(beside=None)
    keys = list(AuditRow.objects.order_by("-number").values_list("number", flat=True)[:4])[::-1]
    first, second, third, _ = keys
    tampered(
        owner,
        f"""UPDATE platform_auditrow SET after = '{{"n": 9}}' WHERE number = {first}""",
        f"UPDATE platform_auditrow SET actor = 'user:8' WHERE number = {second}",
        f"DELETE FROM platform_auditrow WHERE number = {third}",
        "INSERT INTO platform_auditrow (id, tenant_id, actor, origin, at, action, object_type,"
        " object_id, reason, number) SELECT gen_random_uuid(), tenant_id, actor, '', at, action,"
        f" object_type, 'x', '', -5 FROM platform_auditrow WHERE number = {first}",
    )
    found = {row: (code, detail) for code, row, detail in told()}
    assert {row: code for row, (code, _) in found.items()} == {
        f"audit row:{first}": "audit_row_not_as_signed",
        f"audit row:{second}": "audit_row_not_as_signed",
        f"audit row:{third}": "audit_row_gone",
        "audit row:-5": "audit_row_slipped_in",
    }
    assert found[f"audit row:{second}"][1] == "actor user:7 -> user:8"
    assert found[f"audit row:{first}"][1].startswith("after ")


def test_who_holds_a_checkpoint_of_the_journal_finds_it_again(
    tenant: Tenant, now: datetime, file_store: Path, tmp_path: Path
) -> None:
    did(5, now)
    JOURNAL.append(beside=tmp_path / "elsewhere")
    [note] = [one.read_text() for one in (tmp_path / "elsewhere").rglob("*") if one.is_file()]
    did(5, now)
    JOURNAL.append(beside=None)
    assert note.startswith(f"kvit/audit/{tenant.id}/")
    assert JOURNAL.agrees(note)


def test_it_is_not_written_where_rows_may_yet_be_undone(tenant: Tenant, now: datetime) -> None:
    did(1, now)
    with pytest.raises(NotLogged), transaction.atomic():
        JOURNAL.append(beside=None)
