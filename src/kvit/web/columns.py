"""Columns of a list, declared once: how each is called, sorted, shown, and what a file has of it.

    LISTING = Listing("invoices", (
        Column("number", _("Number"), sort="number", of=lambda one: one["row"].number),
        Column("net", _("Net"), kind="num", is_usual=False,
               of=lambda one: Sum(one["row"].net_minor, one["row"].currency)),
    ))

A person chooses among them (`?cols=number,net`); page and file have the chosen ones in that order.
A cell is drawn by the row's template (`{% cell "number" %}`), else from its value by its kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.utils.functional import Promise

ALL = "all"  # of `cols`: every column there is
Title: TypeAlias = "Promise | str"


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum as a cell's value: money on a page, a number in a file."""

    minor: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class Part:
    """One column of a file."""

    title: Title
    of: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; with `sort` it is a button that sorts by that name, falling with a leading "-".

    A file has its value, `of`, or several, `parts`: «Number and date» is two columns there. What is
    only done on the page, such as a menu, has neither.
    """

    code: str
    title: Title
    kind: str = ""  # "num": right-aligned figures
    sort: str = ""
    falls_first: bool = False  # money and dates are looked at from the top
    of: Callable[[Any], Any] | None = None
    parts: tuple[Part, ...] = ()
    is_usual: bool = True  # shown to who has chosen nothing

    def in_file(self) -> tuple[Part, ...]:
        """Return what a file has of it."""
        return (Part(self.title, self.of), *self.parts) if self.of else self.parts


@dataclass(frozen=True, slots=True)
class Listing:
    """A list with its columns. Under `code` are kept the columns a person chose, and its views."""

    code: str
    columns: tuple[Column, ...]
    order: str = ""  # of who asks for none

    def usual(self) -> tuple[Column, ...]:
        """Return what is shown to who has chosen nothing."""
        return tuple(one for one in self.columns if one.is_usual)

    def chosen(self, *said: str) -> tuple[Column, ...]:
        """Return the columns of the first of `said` that names any ("number,net"), in its order."""
        for text in said:
            if text == ALL:
                return self.columns
            if found := self._named(text.split(",")):
                return found
        return self.usual()

    def _named(self, codes: Sequence[str]) -> tuple[Column, ...]:
        known = {one.code: one for one in self.columns}
        return tuple(known[code] for code in dict.fromkeys(codes) if code in known)


def field_of(code: str) -> Callable[[Any], Any]:
    """Return what reads a field of a list's item, of its row."""
    return lambda item: getattr(item["row"], code)


def parts_of(columns: Sequence[Column]) -> tuple[Part, ...]:
    """Return a file's columns: what several of a list's columns tell alike is told once."""
    return tuple({str(one.title): one for column in columns for one in column.in_file()}.values())


def codes_of(columns: Sequence[Column]) -> str:
    """Return them as the address has them."""
    return ",".join(one.code for one in columns)
