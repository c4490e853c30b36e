"""changes.csv: amendments, in any order, each with a value of its own kind."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from kvit.adapters.folder.fields import CODE, NUMBER, Fields, parse_day
from kvit.adapters.folder.localtime import parse_time
from kvit.adapters.folder.subscriptions import json_object, read_discount, read_terms
from kvit.adapters.folder.suggest import shown
from kvit.adapters.folder.tables import Table
from kvit.core.money import exact_text
from kvit.core.periods import instant_of, local_date
from kvit.integrations.port import CHANGES, ChangeRow

CHANGE_COLUMNS = ("subscription", "at", "change", "value", "reason")
CHANGE_REQUIRED = ("subscription", "at", "change")
SCHEMES = ("postpaid", "prepaid", "advance_balance", "milestone", "hybrid")
READINGS = ("actual", "estimated", "corrected")
_Value = str | Mapping[str, object] | None


def read_changes(
    table: Table, zone_of_subscription: Callable[[str], str]
) -> tuple[list[ChangeRow], set[str]]:
    """Return the sound changes, and the subscriptions of the others. References are not checked."""
    rows: list[ChangeRow] = []
    bad: set[str] = set()
    for fields in table.rows():
        row = read_change(fields, zone_of_subscription)
        if row is not None and fields.sound:
            rows.append(row)
        else:
            bad.add(str(fields.raw("subscription") or ""))
    # Whose an unreadable amendment is, cannot be known: then it may be anybody's.
    lost = {"*"} if "" in bad or "" in table.broken or not table.whole else set()
    return rows, (bad | table.broken | lost) - {""}


def read_change(fields: Fields, zone_of_subscription: Callable[[str], str]) -> ChangeRow | None:
    """Return one change as far as it can be read; it counts only where the fields are sound."""
    fields.require("subscription", "at", "change")
    subscription = fields.code("subscription", NUMBER)
    zone = zone_of_subscription(subscription)
    at = _moment(fields, "at", zone)
    change = fields.word("change", CHANGES)
    value = _value(fields, change, at, zone) if change and at else None
    reason = fields.text("reason")
    if at is None:
        return None
    return ChangeRow(fields.place(), subscription, at, change, value, reason)


def _moment(fields: Fields, name: str, zone: str) -> datetime | None:
    """A date is its first moment in the customer's zone; a time without a zone is in it too."""
    value = fields.raw(name)
    if value is None:
        return None
    if day := parse_day(value):
        return instant_of(day, zone)
    moment = parse_time(value)
    if moment is None:
        fields.fault("bad_time", name, value=shown(value))
        return None
    return moment.astimezone(UTC) if moment.tzinfo else instant_of(moment, zone)


def _value(fields: Fields, change: str, at: datetime, zone: str) -> _Value:
    """Read the value by the kind of the change."""
    if change in ("pause", "resume", "cancel"):
        if fields.given("value"):
            fields.fault("bad_word", "value", value=shown(fields.raw("value")), known="–",
                         hint_ru="", hint_en="")  # fmt: skip
        return None
    fields.require("value")
    if not fields.given("value"):
        return None
    match change:
        case "quantity":
            number = fields.number("value")
            return None if number is None else exact_text(number)
        case "scheme":
            return str(fields.word("value", SCHEMES))
        case "transfer":
            return fields.code("value", NUMBER)
        case "trial":
            return _trial(fields, at, zone)
        case "terms":
            return read_terms(fields, json_object(fields, "value"), "value", zone=zone)
        case "discount":
            return _discount(fields, zone)
        case "addon":
            return _add_on(fields)
        case "reading":
            return _reading(fields)
    return fields.code("value")  # plan, coupon, milestone


def _trial(fields: Fields, at: datetime, zone: str) -> str | None:
    """Until which moment fees are free: a date, or "14 days" from the change on."""
    text = str(fields.raw("value")).strip()
    if (days := trial_days(text)) is not None:
        return instant_of(local_date(at, zone) + timedelta(days=days), zone).isoformat()
    day = fields.day("value")
    return instant_of(day, zone).isoformat() if day else None


def trial_days(text: str) -> int | None:
    """Read "14 days"; anything else is None."""
    number, _, unit = text.partition(" ")
    if unit in ("day", "days") and number.isascii() and number.isdigit() and len(number) <= 4:
        return int(number)
    return None


def _discount(fields: Fields, zone: str) -> Mapping[str, object]:
    """A JSON document, or just "15 %"."""
    text = str(fields.raw("value")).strip()
    if text.endswith("%"):
        plain = text.removesuffix("%").strip(" \N{NO-BREAK SPACE}")
        return read_discount(fields, {"percent": plain}, "value", zone=zone)
    return read_discount(fields, json_object(fields, "value"), "value", zone=zone)


def _add_on(fields: Fields) -> Mapping[str, object]:
    """A plan's code, or {"plan": code, "quantity": "2"}; quantity 0 takes it away."""
    text = str(fields.raw("value")).strip()
    if CODE.fullmatch(text):
        return {"plan": text, "quantity": "1"}
    inner = fields.inside(json_object(fields, "value"), ("plan", "quantity"), "value")
    inner.require("plan")
    quantity = inner.number("quantity")
    return {
        "plan": inner.code("plan"),
        "quantity": "1" if quantity is None else exact_text(quantity),
    }


def _reading(fields: Fields) -> Mapping[str, object]:
    """{"meter": code, "value": "119.900", "kind": "estimated" | "corrected" | "actual"}."""
    inner = fields.inside(json_object(fields, "value"), ("meter", "value", "kind"), "value")
    inner.require("meter", "value")
    value = inner.number("value", low=None)
    return {
        "meter": inner.code("meter"),
        "value": "0" if value is None else exact_text(value),
        "kind": str(inner.word("kind", READINGS, "actual")),
    }
