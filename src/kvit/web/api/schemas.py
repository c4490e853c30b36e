"""What every area's schemas are made of: strict input, pages, money, dates, numbers."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from ninja import Schema
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    StrictInt,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from kvit.core.money import minor_text
from kvit.platform import paging

Item = TypeVar("Item")
Row = TypeVar("Row")

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-](0\d|1[0-4]):[0-5]\d)")
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
FROM_THE_BEGINNING = date(1900, 1, 1)  # since when what has no first day holds
NUMBER_PATTERN = r"^-?[0-9]{1,26}(\.[0-9]{1,12})?$"
CODE_PATTERN = r"^[^\s/?#%\\]+$"  # of an object in an address


def _read_day(given: Any) -> Any:
    if isinstance(given, date):
        return given
    if not (isinstance(given, str) and _DATE.fullmatch(given)):
        raise PydanticCustomError("date", "a date like 2026-11-28 is wanted")
    return given


def _read_moment(given: Any) -> Any:
    if isinstance(given, datetime):
        return given
    if not (isinstance(given, str) and _MOMENT.fullmatch(given)):
        raise PydanticCustomError("moment", "a time with its zone is wanted")
    return given


def _check_moment(moment: datetime) -> datetime:
    if not EARLIEST <= moment < LATEST:
        raise PydanticCustomError("moment_range", "a time of the years 1970 to 2199 is wanted")
    return moment


def _check_day(day: date) -> date:
    if not FROM_THE_BEGINNING <= day < LATEST.date():
        raise PydanticCustomError("moment_range", "a date of the years 1900 to 2199 is wanted")
    return day


def _read_text(given: Any) -> Any:
    if isinstance(given, str) and "\x00" in given:
        raise PydanticCustomError("nul", "a text holds a NUL")
    return given


def _moment_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Day = Annotated[date, BeforeValidator(_read_day), AfterValidator(_check_day)]
"""A local date, "2026-11-28"."""

Moment = Annotated[
    datetime,
    BeforeValidator(_read_moment),
    AfterValidator(_check_moment),
    PlainSerializer(_moment_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment with its zone; told in UTC."""

Text = Annotated[str, BeforeValidator(_read_text), Field(max_length=500)]
Code = Annotated[
    str, BeforeValidator(_read_text), Field(min_length=1, max_length=80, pattern=CODE_PATTERN)
]
Reason = Annotated[
    str,
    BeforeValidator(_read_text),
    Field(max_length=500, description="Why; kept in the history.", examples=["по письму клиента"]),
]
Number = Annotated[str, Field(pattern=NUMBER_PATTERN, examples=["1234.56"])]
"""A decimal number as a string: a float loses digits."""

Int = StrictInt
Bool = StrictBool


class Input(Schema):
    """What a caller sends: a field that is not known is refused by name."""

    model_config = ConfigDict(extra="forbid")


class Money(Schema):
    """A sum: major units with all digits, as a string, and the currency."""

    amount: str = Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", examples=["1234.56"])
    currency: str = Field(pattern=r"^[A-Z]{3}$", examples=["RUB"])

    @classmethod
    def of(cls, minor: int, currency: str) -> "Money":
        """Make it of minor units: (123456, "RUB") is "1234.56"."""
        return cls(amount=minor_text(minor, currency), currency=currency)


class Listed(Schema, Generic[Item]):
    """A page of a list. `next` goes into `after` of the next request; null: this was the last.

    `count` is of the whole filter, at most 10001, which means "more than ten thousand".
    """

    data: list[Item]
    next: str | None = Field(None, description="Cursor of the next page.")
    count: int | None = Field(None, description="Rows of the whole filter, at most 10001.")


class Paging(Input):
    """Where a page begins and how long it is."""

    after: str = Field("", max_length=2000, description="`next` of the page before.")
    limit: int = Field(paging.LIMIT, ge=1, le=paging.MOST)


class Refusal(Schema):
    """An error (RFC 9457). `code` is stable; `field` and `remedy` say where and what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None
    remedy: str
    errors: list["FieldFault"]


class FieldFault(Schema):
    """What is wrong with one field."""

    field: str
    code: str
    detail: str


def listed(page: "paging.Page[Row]", make: Callable[[Row], Any]) -> dict[str, Any]:
    """Return a page of a list with each row made into what is told."""
    return {"data": [make(row) for row in page.rows], "next": page.next, "count": page.count}


def number_text(value: Fraction | Decimal | int) -> str:
    """Write a number for a program: exactly, with a point, without an exponent."""
    from kvit.core.money import exact_text

    return exact_text(Fraction(value))


__all__ = [
    "UUID", "Bool", "Code", "Day", "FieldFault", "Input", "Int", "Listed", "Moment", "Money",
    "Number", "Paging", "Reason", "Refusal", "Schema", "Text", "listed", "number_text",
]  # fmt: skip
