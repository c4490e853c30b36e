"""What the proof of roles looks at, each of it broken once; the processes themselves are started by
`./kvit prove roles`, and with bugs in them by `./kvit prove mutants --size 43`."""

from collections import Counter

import pytest
from django.db import connection, transaction

from kvit.metering import services as metering
from kvit.platform.tenancy import tenant_scope
from kvit.web.prove import company, roles
from kvit.web.prove.ground import Ground

pytestmark = pytest.mark.once
PAYERS = 2


def fill() -> None:
    company.make(PAYERS, events=1)
    with tenant_scope(company.tenant().id):
        metering.ingest(roles._usage(), source="api", actor=company.ACTOR, now=company.LATER)
        company.bill()


@pytest.mark.usefixtures("file_store")
def test_what_is_missing_too_much_or_left_is_named(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "PAYERS", PAYERS)
    with ground.copy(ground.template("roles", fill)):
        with tenant_scope(company.tenant().id):
            wanted = Counter(company.ask(roles._DOCUMENTS))
        assert list(roles._checked(wanted)) == []
        [one, other] = wanted
        odd = Counter({one: 2})
        assert list(roles._checked(odd)) == [f"too much: {other}", f"missing: {one}"]
        monkeypatch.setattr(roles, "EACH", roles.EACH + 1)
        assert list(roles._checked(wanted)) == ["8 events stand, 10 were sent"]
        leave_a_job("failed")
        assert next(iter(roles._checked(wanted))) == "1 jobs odd are failed"


def test_a_job_of_a_worker_that_holds_no_lock_is_with_the_dead(ground: Ground) -> None:
    with ground.copy(ground.template("roles", fill)):
        assert not roles._is_with_the_dead()
        assert not roles._is_doing("rating")
        leave_a_job("doing")
        assert roles._is_with_the_dead()
        assert (roles._is_doing("rating"), roles._is_doing("invoicing")) == (True, False)


def leave_a_job(status: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        [worker] = cursor.fetchone()
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id)"
            " VALUES ('rating', 'odd', %s::procrastinate_job_status, %s)",
            [status, worker],
        )
