"""The company that a key belongs to, its policy for machines, and its test clock."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.http import HttpRequest

from kvit.parties import queries
from kvit.parties import services as parties
from kvit.platform import clock
from kvit.web import routes
from kvit.web.api.core import Router, operation, seen, standing
from kvit.web.api.schemas import Input, Moment, Reason, Schema

TAG = ("Компания и часы", "The company and its clock")
router = Router()


class TenantOut(Schema):
    """Whom the key works for, and what it may do."""

    id: UUID
    code: str
    name: str
    currency: str
    zone: str
    language: str
    actor: str
    rights: list[str]
    machine_factors: int


class ClockOut(Schema):
    """What time it is for the company, and whether by its test clock."""

    now: Moment
    is_test: bool


class ClockIn(Input):
    """Where to set the test clock; it only moves forward."""

    to: Moment
    reason: Reason


class FactorsIn(Input):
    """1: a machine's key is enough. 2: it signs requests too, or comes with a certificate."""

    machine_factors: Literal[1, 2]
    reason: Reason


@operation(router, "GET", "/tenants/me", right=routes.SIGNED_IN, response=TenantOut)
def read_tenant(request: HttpRequest) -> TenantOut:
    """Say whose key this is."""
    who = request.principal
    row, factors = who.tenant.row, queries.machine_factors()
    standing(request, factors)
    return TenantOut(
        id=who.tenant.id,
        code=row.code,
        name=row.name,
        currency=row.currency,
        zone=row.zone,
        language=row.language,
        actor=who.actor,
        rights=sorted(who.rights),
        machine_factors=factors,
    )


@operation(
    router, "PUT", "/tenants/me/machine-factors", right="keys.write", response=TenantOut,
    recent=True,
)  # fmt: skip
def change_machine_factors(request: HttpRequest, body: FactorsIn) -> TenantOut:
    """Say how machines prove who they are."""
    parties.set_machine_factors(
        body.machine_factors, seen=seen(request), actor=request.principal.actor,
        now=request.now, reason=body.reason,
    )  # fmt: skip
    return read_tenant(request)


@operation(router, "GET", "/clock", right=routes.SIGNED_IN, response=ClockOut)
def read_clock(request: HttpRequest) -> ClockOut:
    """Tell the time by which the company lives."""
    return _clock(request.now)


@operation(router, "PUT", "/clock", right="settings.write", response=ClockOut)
def move_clock(request: HttpRequest, body: ClockIn) -> ClockOut:
    """Set the test clock, or start it: from then on the company lives by it."""
    clock.move_test_clock(
        request.principal.tenant.id, to=body.to, actor=request.principal.actor, reason=body.reason
    )
    return _clock(clock.now_for(request.principal.tenant.id))


def _clock(now: datetime) -> ClockOut:
    return ClockOut(now=now, is_test=clock.is_test())
