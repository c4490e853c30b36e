"""Walking a large set of rows: in chunks for machines, in pages for people and the API.

A page is asked for after the key of the last row before it, never by an offset: the thousandth page
costs what the first does, and rows that are added meanwhile neither repeat nor hide others.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Field, IntegerField, Q, QuerySet, Subquery

from kvit.platform.failures import Failure

COUNTED = 10_000  # a count stops here: «больше 10 000»
LIMIT = 50
MOST = 1_000
WORDS = {
    "cursor_unreadable": (
        "Не можем продолжить список с этого места: порядок сменился или ссылка неполная. Откройте"
        " список с начала.",
        "The list cannot go on from there: its order has changed or the link is cut. Open it from"
        " the beginning.",
    ),
}

Row = TypeVar("Row")
Other = TypeVar("Other")


class CursorUnreadable(Failure):
    """The cursor is not one of this list in this order."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and how to go on.

    `count` is of the whole filter, at most `COUNTED` + 1; None where it was not asked for.
    """

    rows: tuple[Row, ...]
    next: str | None
    count: int | None = None

    def of(self, make: Callable[[Row], Other]) -> "Page[Other]":
        """Return the page with other rows."""
        return Page(tuple(map(make, self.rows)), self.next, self.count)


def keyset(
    rows: "QuerySet[Any]",
    *,
    order: Sequence[str],
    after: str = "",
    limit: int = LIMIT,
    counted: bool = True,
) -> Page[Any]:
    """Return the page of `rows` (model instances, or dicts of `.values()`) that follows a cursor.

    Args:
        order: fields, "-" before a falling one; the last is unique, and none is ever NULL.
        after: the `next` of the page before; "" is the beginning.
        limit: rows, 1 … `MOST`.
        counted: whether to say how many there are, but for one of many pages in a row.

    Raises:
        CursorUnreadable: the cursor was made for another order, or by nobody.
    """
    limit = max(1, min(limit, MOST))
    names = [name.lstrip("-") for name in order]
    counted = counted and not _uncounted.get()
    page = rows.order_by(*order)
    if after:
        page = page.filter(_beyond(order, _decode(rows, order, after)))
    if counted:
        page = page.annotate(**{_COUNTED: _CountOf(rows.order_by().values("pk")[: COUNTED + 1])})
    found = list(page[: limit + 1])
    count = None
    if counted:
        counts = [_taken(row, _COUNTED) for row in found]
        # No row tells how many there are where none is left of them.
        count = counts[0] if counts else count_of(rows) if after else 0
    more = len(found) > limit
    found = found[:limit]
    following = _encode(order, [_value(found[-1], name) for name in names]) if more else None
    return Page(tuple(found), following, count)


@contextmanager
def uncounted() -> Iterator[None]:
    """Read one page of many: counting the whole list at each would cost more than its rows do."""
    token = _uncounted.set(True)
    try:
        yield
    finally:
        _uncounted.reset(token)


def is_counted() -> bool:
    """Whether a page is asked how many rows its list has."""
    return not _uncounted.get()


def count_of(rows: "QuerySet[Any]") -> int:
    """Return how many rows there are, at most `COUNTED` + 1."""
    return rows.order_by()[: COUNTED + 1].count()


def cursor_values(rows: "QuerySet[Any]", order: Sequence[str], after: str) -> list[Any]:
    """Return the values that a cursor of `keyset` stands for, one of each of `order`.

    Raises:
        CursorUnreadable: as `keyset`.
    """
    return _decode(rows, order, after)


def page_of(
    found: Sequence[Any], *, order: Sequence[str], limit: int, is_more: bool, count: int | None
) -> Page[Any]:
    """Return the page that `keyset` would, of rows that were put in order elsewhere.

    Args:
        found: at least `limit` of them, where there are so many.
        is_more: whether there are rows beyond all of `found`.
    """
    limit = max(1, min(limit, MOST))
    rows = found[:limit]
    following = None
    if is_more or len(found) > limit:
        following = _encode(order, [_value(rows[-1], name.lstrip("-")) for name in order])
    return Page(tuple(rows), following, count)


def cursor_of(name: str, *values: Any) -> str:
    """Return a cursor of a list whose pages are made by hand: `name` says which."""
    texts = [v.isoformat() if isinstance(v, (date, datetime)) else str(v) for v in values]
    return base64.urlsafe_b64encode(msgspec.json.encode([name, *texts])).decode()


def read_cursor(name: str, cursor: str, *kinds: Callable[[str], Any]) -> tuple[Any, ...]:
    """Return the values of a cursor, each read by its kind.

    Raises:
        CursorUnreadable: it is of another list, or nobody made it.
    """
    try:
        found, *texts = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=list[str])
        if found != name or len(texts) != len(kinds) or "\x00" in "".join(texts):
            raise CursorUnreadable("cursor_unreadable")
        return tuple(kind(text) for kind, text in zip(kinds, texts, strict=True))
    except (ValueError, ArithmeticError, msgspec.DecodeError):
        raise CursorUnreadable("cursor_unreadable") from None


def moment_of(text: str) -> datetime:
    """Read a moment of a cursor.

    Raises:
        ValueError, OverflowError: it is none, of no zone, or beyond the years that there are.
    """
    return _placed(datetime.fromisoformat(text))


def _placed(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError("a moment without its zone")
    return moment.astimezone(UTC)


def key_chunks(rows: "QuerySet[Any]", column: str, *, size: int) -> Iterator[list[UUID]]:
    """Yield the values of `column`, each once, rising, at most `size` at a time.

    Rows that are added or taken away meanwhile do no harm: nothing is counted from the beginning.
    """
    rows = rows.order_by(column)
    last: UUID | None = None
    while True:
        rest = rows if last is None else rows.filter(**{f"{column}__gt": last})
        keys = list(rest.values_list(column, flat=True).distinct()[:size])
        if not keys:
            return
        yield keys
        if len(keys) < size:
            return
        last = keys[-1]


def _beyond(order: Sequence[str], values: Sequence[Any]) -> Q:
    """(a, b) after (x, y): a beyond x, or a equal and b beyond y; the first bound serves an index.

    A row comparison would do for one direction only.
    """
    first, bound = order[0], values[0]
    condition = Q()
    for place, name in enumerate(order):
        equal = Q(**{order[i].lstrip("-"): values[i] for i in range(place)})
        beyond = Q(**{f"{name.lstrip('-')}__{'lt' if name[0] == '-' else 'gt'}": values[place]})
        condition |= equal & beyond
    outer = f"{first.lstrip('-')}__{'lte' if first[0] == '-' else 'gte'}"
    return Q(**{outer: bound}) & condition


_COUNTED = "kvit_counted"
_uncounted: ContextVar[bool] = ContextVar("uncounted", default=False)


class _CountOf(Subquery):
    """How many rows a query has, asked beside the rows of another."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def _taken(row: Any, name: str) -> Any:
    return row.pop(name) if isinstance(row, dict) else row.__dict__.pop(name)


def _value(row: Any, name: str) -> Any:
    if isinstance(row, dict):
        return row[name]
    for part in name.split("__"):
        row = getattr(row, part)
    return row


def _encode(order: Sequence[str], values: Sequence[Any]) -> str:
    texts = [v.isoformat() if isinstance(v, (date, datetime)) else str(v) for v in values]
    return base64.urlsafe_b64encode(msgspec.json.encode([",".join(order), *texts])).decode()


def _decode(rows: "QuerySet[Any]", order: Sequence[str], cursor: str) -> list[Any]:
    try:
        name, *texts = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=list[str])
        if name != ",".join(order) or len(texts) != len(order) or "\x00" in "".join(texts):
            raise CursorUnreadable("cursor_unreadable")
        return [
            _parsed(rows, part.lstrip("-"), text) for part, text in zip(order, texts, strict=True)
        ]
    except (ValueError, ValidationError, ArithmeticError, msgspec.DecodeError):
        raise CursorUnreadable("cursor_unreadable") from None


def _parsed(rows: "QuerySet[Any]", name: str, text: str) -> Any:
    """Read a value back as its column has it."""
    field = rows.query.annotations.get(name)
    kind = field.output_field if field is not None else _field(rows.model, name)
    made = kind.to_python(text)
    if isinstance(made, Decimal) and not made.is_finite():
        raise ValueError(text)
    return _placed(made) if isinstance(made, datetime) else made


def _field(model: Any, name: str) -> "Field[Any, Any]":
    *parents, last = name.split("__")
    for parent in parents:
        model = model._meta.get_field(parent).related_model
    found: Field[Any, Any] = model._meta.get_field(last)
    return found
