"""customers.csv, and calendars/NAME.csv."""

import re
from datetime import date
from typing import Literal

from kvit.adapters.folder.company import currency_of, first_of_its_code, zone_name_of
from kvit.adapters.folder.fields import NUMBER, Fields
from kvit.adapters.folder.requisites import check_inn, check_kpp
from kvit.adapters.folder.suggest import shown
from kvit.adapters.folder.tables import Table
from kvit.integrations.port import CalendarRow, CustomerRow, Fault, Place

CUSTOMER_COLUMNS = (
    "code", "name", "kind", "inn", "kpp", "email", "phone", "address", "zone", "currency",
    "payer", "segment", "branch",
)  # fmt: skip
CUSTOMER_REQUIRED = ("code", "name", "kind")
CALENDAR_COLUMNS = ("date", "kind")
KINDS = ("company", "sole", "person")
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")
_PHONE = re.compile(r"\+?[\d ()\-]{5,24}")


def read_customers(table: Table) -> tuple[list[CustomerRow], set[str]]:
    """Return the sound customers, and the codes of the others."""
    rows: list[CustomerRow] = []
    bad: set[str] = set()
    seen: dict[str, Place] = {}
    for fields in table.rows():
        row = _customer(fields)
        first_of_its_code(fields, row.code, seen)
        if fields.sound:
            rows.append(row)
        else:
            bad.add(row.code)
    bad |= table.broken
    return [row for row in rows if row.code not in bad], bad


def _customer(fields: Fields) -> CustomerRow:
    fields.require("code", "name", "kind")
    kind = fields.word("kind", KINDS, "company")
    return CustomerRow(
        place=fields.place(),
        code=fields.code("code", NUMBER),
        name=fields.text("name"),
        kind=kind,
        zone=zone_name_of(fields),
        currency=currency_of(fields),
        inn=check_inn(fields, digits=10 if kind == "company" else 12),
        kpp=check_kpp(fields),
        email=_matching(fields, "email", _EMAIL, "bad_email"),
        phone=_matching(fields, "phone", _PHONE, "bad_phone"),
        address=fields.text("address"),
        payer=fields.code("payer", NUMBER),
        segment=fields.text("segment", limit=80),
        branch=fields.text("branch", limit=80),
    )


def _matching(fields: Fields, name: str, pattern: re.Pattern[str], code: str) -> str:
    value = fields.raw(name)
    text = value.strip() if isinstance(value, str) else ""
    if text and not pattern.fullmatch(text):
        fields.fault(code, name, value=shown(text))
    return text


def read_calendar(table: Table, code: str, place: Place, faults: list[Fault]) -> CalendarRow | None:
    """Return a calendar, None where any of its days is faulty."""
    before = len(faults)
    days: dict[date, Literal["holiday", "working"]] = {}
    seen: dict[str, Place] = {}
    for fields in table.rows():
        fields.require("date", "kind")
        day = fields.day("date")
        kind = fields.word("kind", ("holiday", "working"), "holiday")
        if day is not None:
            first_of_its_code(fields, day.isoformat(), seen)
            days[day] = kind
    return CalendarRow(place, code, days) if len(faults) == before else None
