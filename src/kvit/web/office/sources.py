"""What postings rest upon, named and with its address."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from kvit.invoicing import queries as invoicing

INVOICE = "invoice:"


@dataclass(frozen=True, slots=True)
class Source:
    """A document as books name it; `url` is "" where nothing can be opened."""

    text: str
    url: str = ""


def documents_of(sources: Iterable[str]) -> dict[str, Source]:
    """Return the documents that these sources name, by source: one statement."""
    given = set(sources)
    ids = {one: UUID(one.removeprefix(INVOICE)) for one in given if one.startswith(INVOICE)}
    rows = invoicing.rows_of(list(ids.values()))
    titles = {
        "invoice": _("Invoice"),
        "credit_note": _("Credit note"),
        "debit_note": _("Debit note"),
        "void": _("Reversal"),
    }
    found = {one: Source(one) for one in given}
    for source, key in ids.items():
        if key in rows:
            row = rows[key]
            text = f"{titles[row.kind]} №\N{NO-BREAK SPACE}{row.number}"
            found[source] = Source(text, _address(key))
    return found


def _address(key: UUID) -> str:
    try:
        return reverse("office:invoice", args=[key])
    except NoReverseMatch:  # that area is not part of this installation
        return ""
