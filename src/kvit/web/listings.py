"""Every list that there is, by its code: what views are saved of and columns are chosen of."""

from functools import cache
from importlib import import_module

from kvit.core.wording import Words
from kvit.platform.failures import Failure
from kvit.web import office
from kvit.web.columns import Listing, codes_of

WORDS: Words = {
    "list_unknown": ("Списка {list} нет.", "There is no list {list}."),
    "list_elsewhere": (
        "Эта форма не относится ни к одному списку: откройте список заново.",
        "This form belongs to no list: open the list anew.",
    ),
    "columns_none": (
        "Оставьте хотя бы один столбец.",
        "Leave one column at least.",
    ),
}


class ListRefused(Failure):
    """There is no such list, it would have no column, or a form is of none."""

    words = WORDS


@cache
def listings() -> dict[str, Listing]:
    """Return the lists of the office by code."""
    modules = (import_module(f"kvit.web.office.{name}") for name in office.MODULES)
    found = (one for module in modules for one in vars(module).values())
    return {one.code: one for one in found if isinstance(one, Listing)}


def listing_of(code: str) -> Listing:
    """Return the list of that code.

    Raises:
        ListRefused: there is none.
    """
    found = listings().get(code)
    if found is None:
        raise ListRefused("list_unknown", field="list", list=code)
    return found


def columns_of(code: str, chosen: list[str]) -> str:
    """Return those of the columns that the list has, as they are kept; "" are the usual ones.

    Raises:
        ListRefused: no such list, or nothing of it was chosen.
    """
    listing = listing_of(code)
    known = {one.code for one in listing.columns}
    columns = [one for one in dict.fromkeys(chosen) if one in known]
    if not columns:
        raise ListRefused("columns_none", field="columns")
    text = ",".join(columns)
    return "" if text == codes_of(listing.usual()) else text
