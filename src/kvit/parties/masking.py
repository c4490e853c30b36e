"""Personal data for who has no right to see it: enough to tell customers apart, no more.

    Иванова Анна Петровна   →  И••• А••• П•••
    anna@example.com        →  a•••
    500100732259            →  •••59

Masked is what is read inside `masking()`, by which a request is answered. Who reads in order to
keep or to print does so `in_clear()`: an issued paper never bears a mask.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import replace

from kvit.parties.rows import CustomerRow

DOTS = "•••"
PEOPLE = ("person", "sole")
_is_masking: ContextVar[bool] = ContextVar("masking", default=False)


@contextmanager
def masking(wanted: bool = True) -> Iterator[None]:
    """Mask the personal data of customers that are read inside the block."""
    token = _is_masking.set(wanted)
    try:
        yield
    finally:
        _is_masking.reset(token)


def in_clear() -> AbstractContextManager[None]:
    """Read as it is kept, whoever asks: for what is compared, kept or printed."""
    return masking(wanted=False)


def shown(row: CustomerRow) -> CustomerRow:
    """Return the row as it may be shown here; a company's name and ИНН are nobody's secret."""
    if not _is_masking.get():
        return row
    row = replace(row, email=_begin(row.email), phone=_end(row.phone))
    if row.kind not in PEOPLE:
        return row
    name, inn = called(row.kind, row.name, row.inn)
    return replace(
        row,
        name=name,
        inn=inn,
        ogrn=_end(row.ogrn),
        account=_end(row.account),
        address=DOTS if row.address else "",
    )


def called(kind: str, name: str, inn: str) -> tuple[str, str]:
    """Return a customer's name and ИНН as they may be shown here."""
    if not _is_masking.get() or kind not in PEOPLE:
        return name, inn
    return " ".join(map(_begin, name.split())), _end(inn)


def _begin(text: str) -> str:
    return f"{text[0]}{DOTS}" if text else ""


def _end(text: str) -> str:
    return f"{DOTS}{text[-2:]}" if text else ""


def free_text(text: str) -> str:
    """Return a text of the staff's own, or nothing of it: nobody knows whom it speaks of."""
    return DOTS if is_masking() else text


def is_masking() -> bool:
    """Whether who asks sees masks."""
    return _is_masking.get()
