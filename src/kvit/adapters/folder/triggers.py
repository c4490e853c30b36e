"""[[trigger]] of company.toml: bills that start themselves."""

from kvit.adapters.folder.company import fields_of, first_of_its_code, tables_at
from kvit.adapters.folder.fields import Fields
from kvit.adapters.folder.suggest import shown
from kvit.adapters.folder.toml import Toml
from kvit.core.money import exact_text
from kvit.integrations.port import Fault, Place, TriggerRow

KEYS = ("code", "kind", "day", "time", "period", "meter", "units", "event", "on")
KINDS = ("schedule", "threshold", "event")
EVENTS = ("open", "milestone", "cancel")
LAST_DAY = 28


def read_triggers(toml: Toml, faults: list[Fault]) -> list[TriggerRow]:
    """Return the sound triggers; a faulty one holds nothing but itself."""
    rows: list[TriggerRow] = []
    seen: dict[str, Place] = {}
    for index, values in enumerate(tables_at(toml, "trigger", faults)):
        fields = fields_of(toml, ("trigger", index), "trigger", values, KEYS, faults)
        row = _trigger(fields)
        first_of_its_code(fields, row.code, seen)
        if fields.sound:
            rows.append(row)
    return rows


def _trigger(fields: Fields) -> TriggerRow:
    fields.require("code", "kind")
    kind = fields.word("kind", KINDS)
    if kind == "schedule":
        fields.require("day")
    if kind == "event":
        fields.require("event")
    if fields.given("meter") or fields.given("units"):
        fields.require("meter", "units")
    units = fields.number("units")
    if units == 0:
        fields.fault("out_of_range", "units", value="0", bounds="> 0")
    return TriggerRow(
        place=fields.place(),
        code=fields.code("code"),
        kind=kind,
        day=fields.whole("day", low=1, high=LAST_DAY) or 0,
        time=_time(fields),
        period=fields.word("period", ("begun",)),
        meter=fields.code("meter"),
        units="" if units is None else exact_text(units),
        event=fields.word("event", EVENTS),
        is_on=fields.flag("on", True),
    )


def _time(fields: Fields) -> str:
    text = fields.text("time")
    hours, _, minutes = text.partition(":")
    is_time = (
        len(text) == 5 and hours.isdecimal() and minutes.isdecimal()
        and int(hours) < 24 and int(minutes) < 60
    )  # fmt: skip
    if text and not is_time:
        fields.fault("bad_time", "time", value=shown(text))
        return ""
    return text
