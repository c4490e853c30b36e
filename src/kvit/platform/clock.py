"""What time it is for a tenant: the real one, or that of its test clock.

Only `web/` and the job runner ask; everything below is given `now`.
"""

from datetime import UTC, datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Subquery

from kvit.platform import audit, events
from kvit.platform.failures import Failure
from kvit.platform.models import TestClock
from kvit.platform.tenancy import tenant_scope

WORDS = {
    "clock_goes_back": (
        "Тестовые часы идут только вперёд: на них {present}, а указано {wanted}.",
        "A test clock only moves forward: it shows {present}, {wanted} was asked for.",
    ),
    "clock_without_zone": (
        "У времени {wanted} нет часового пояса.",
        "The time {wanted} has no zone.",
    ),
}


class ClockRefused(Failure):
    """The test clock cannot be set to that."""

    words = WORDS


def now_for(tenant_id: UUID) -> datetime:
    """Return the tenant's present, aware, in UTC."""
    with tenant_scope(tenant_id):
        moment = TestClock.objects.values_list("at", flat=True).first()
    return moment or datetime.now(UTC)


def test_moment() -> datetime | None:
    """Return what the test clock of the tenant in scope shows; None where it lives by real time."""
    found: datetime | None = TestClock.objects.values_list("at", flat=True).first()
    return found


def moment_asked() -> Subquery:
    """Return the same as an expression, for a query that is asked anyway."""
    return Subquery(TestClock.objects.values("at")[:1])


def server_now() -> datetime:
    """Return the real time, by the database's clock: for what happens between machines."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found.astimezone(UTC)


def is_test() -> bool:
    """Whether the tenant in scope lives by a test clock."""
    return TestClock.objects.exists()


@transaction.atomic
def move_test_clock(tenant_id: UUID, *, to: datetime, actor: str, reason: str) -> None:
    """Set the tenant's own clock, or start it. From then on real time is not looked at.

    Raises:
        ClockRefused: `to` lies before what the clock shows, or has no zone.
    """
    if to.tzinfo is None:
        raise ClockRefused("clock_without_zone", wanted=to.isoformat())
    with tenant_scope(tenant_id):
        # Two who start it at once: one makes the row, the other finds it and takes its turn.
        _, is_started = TestClock.objects.get_or_create(defaults={"at": to})
        clock = TestClock.objects.select_for_update().get()
        if not is_started and to < clock.at:
            raise ClockRefused(
                "clock_goes_back", present=clock.at.isoformat(), wanted=to.isoformat()
            )
        before = None if is_started else clock.at
        TestClock.objects.filter(pk=clock.pk).update(at=to)
        audit.record(
            action="clock.moved",
            object_type="platform.test_clock",
            object_id=str(tenant_id),
            before={"at": before.isoformat()} if before else None,
            after={"at": to.isoformat()},
            actor=actor,
            now=to,
            reason=reason,
        )
    if is_started:  # who has looked up its keys knows them as those of real time
        events.tell_keys_changed(tenant_id)
