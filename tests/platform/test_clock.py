"""A tenant's time."""

from datetime import UTC, datetime, timedelta

import pytest

from kvit.parties.rows import Tenant
from kvit.platform.clock import ClockRefused, move_test_clock, now_for
from kvit.platform.models import AuditRow
from tests.platform.conftest import House

JUNE = datetime(2030, 6, 1, tzinfo=UTC)


def test_without_a_test_clock_time_is_real(tenant: Tenant) -> None:
    before = datetime.now(UTC)
    assert before <= now_for(tenant.id) <= datetime.now(UTC)


def test_a_test_clock_stands_until_it_is_moved(tenant: Tenant) -> None:
    move_test_clock(tenant.id, to=JUNE, actor="user:1", reason="demo")
    assert now_for(tenant.id) == now_for(tenant.id) == JUNE
    later = JUNE + timedelta(days=40)
    move_test_clock(tenant.id, to=later, actor="user:1", reason="next month")
    assert now_for(tenant.id) == later
    rows = AuditRow.objects.filter(action="clock.moved").order_by("id")
    assert [(r.before, r.after, r.reason) for r in rows] == [
        (None, {"at": "2030-06-01T00:00:00+00:00"}, "demo"),
        (
            {"at": "2030-06-01T00:00:00+00:00"},
            {"at": "2030-07-11T00:00:00+00:00"},
            "next month",
        ),
    ]


def test_a_test_clock_never_goes_back(tenant: Tenant) -> None:
    move_test_clock(tenant.id, to=JUNE, actor="user:1", reason="")
    with pytest.raises(ClockRefused) as caught:
        move_test_clock(tenant.id, to=JUNE - timedelta(seconds=1), actor="user:1", reason="")
    assert caught.value.code == "clock_goes_back"
    assert now_for(tenant.id) == JUNE
    assert AuditRow.objects.filter(action="clock.moved").count() == 1


def test_a_time_without_zone_is_refused(tenant: Tenant) -> None:
    with pytest.raises(ClockRefused) as caught:
        move_test_clock(tenant.id, to=datetime(2030, 1, 1), actor="user:1", reason="")  # noqa: DTZ001
    assert caught.value.code == "clock_without_zone"


def test_clocks_of_tenants_are_their_own(ours: House, theirs: House) -> None:
    move_test_clock(ours.tenant, to=JUNE, actor="user:1", reason="")
    assert now_for(ours.tenant) == JUNE
    assert now_for(theirs.tenant) < JUNE
