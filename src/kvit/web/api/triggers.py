"""Bills that start themselves, over the API."""

from dataclasses import asdict
from typing import Any, Literal

from django.http import HttpRequest
from pydantic import Field

from kvit.invoicing import queries, services
from kvit.invoicing.rows import TriggerInfo, TriggerRow
from kvit.web.api.core import Router, operation, seen, standing
from kvit.web.api.schemas import Bool, Code, Input, Int, Listed, Moment, Reason, Schema, Text

TAG = ("Расчётные запуски", "Bill runs")
router = Router()


class TriggerIn(Input):
    """A standing order to bill. Fields of other kinds are left empty."""

    kind: Literal["schedule", "threshold", "event"]
    day: Int = Field(0, ge=0, le=28, description="Of a schedule: from the first after the period.")
    time: str = Field("", pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^$", examples=["06:00"])
    period: Literal["", "begun"] = ""
    meter: Text = ""
    units: str = Field("", pattern=r"^([0-9]{1,26}(\.[0-9]{1,12})?)?$")
    event: Literal["", "open", "milestone", "cancel"] = ""
    is_on: Bool = True
    reason: Reason = ""


class TriggerOut(Schema):
    """A trigger as it stands, and when it fired last."""

    code: str
    kind: str
    day: int
    time: str
    period: str
    meter: str
    units: str
    event: str
    is_on: bool
    fired: int
    last_key: str
    last_at: Moment | None


@operation(router, "GET", "/triggers", right="settings.read", response=Listed[TriggerOut])
def list_triggers(request: HttpRequest) -> dict[str, Any]:
    """All triggers by code."""
    rows = [_shown(one) for one in queries.triggers()]
    return {"data": rows, "next": None, "count": len(rows)}


@operation(router, "GET", "/triggers/{code}", right="settings.read", response=TriggerOut)
def read_trigger(request: HttpRequest, code: Code) -> TriggerOut:
    """One trigger."""
    for one in queries.triggers():
        if one.row.code == code:
            standing(request, one.row)
            return _shown(one)
    raise services.TriggerRefused("trigger_not_found", code=code)


@operation(router, "PUT", "/triggers/{code}", right="settings.write", response=TriggerOut)
def save_trigger(request: HttpRequest, code: Code, body: TriggerIn) -> TriggerOut:
    """Make the trigger, or make it be so. What was due before is not made up for."""
    row = TriggerRow(code=code, **body.model_dump(exclude={"reason"}))
    services.save_trigger(
        row, is_new=None, seen=seen(request), actor=request.principal.actor, now=request.now,
        reason=body.reason,
    )  # fmt: skip
    return read_trigger(request, code)


def _shown(one: TriggerInfo) -> TriggerOut:
    return TriggerOut(
        **asdict(one.row), fired=one.fired, last_key=one.last_key, last_at=one.last_at
    )
