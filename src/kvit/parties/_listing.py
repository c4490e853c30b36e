"""The list of customers: filtered, sorted by name, paged by key; found by what people type."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Exists, QuerySet, Value
from django.db.models.functions import Length

from kvit.core.searching import asked_for, folded, other_layout
from kvit.parties import models
from kvit.parties.rows import CustomerAsked
from kvit.platform.reading import asked_once
from kvit.platform.tenancy import current_tenant_id

ORDERS = {
    "name": ("sort_name", "id"),
    "-name": ("-sort_name", "-id"),
    "code": ("code", "id"),
    "-code": ("-code", "-id"),
}
_BEYOND = "\U0010ffff"  # what follows every text that begins so, in byte order


def asked(wanted: CustomerAsked) -> "QuerySet[Any]":
    """Return the customers that a list is narrowed to, as a query."""
    rows = models.Customer.objects.all()
    if wanted.text.strip():
        rows = _found(rows, wanted.text)
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    if wanted.segment:
        rows = rows.filter(segment=wanted.segment)
    if wanted.branches is not None:
        rows = rows.filter(branch__in=list(wanted.branches))
    if wanted.payer_id is not None:
        rows = rows.filter(payer_id=wanted.payer_id)
    if wanted.among is not None:
        rows = rows.filter(pk__in=wanted.among)
    if wanted.without is not None:
        rows = rows.exclude(pk__in=wanted.without)
    return rows


def asked_ids(wanted: CustomerAsked) -> "QuerySet[Any]":
    """Return the ids of the same, as a query: for sums of the whole filter in other contexts."""
    return asked(wanted).values("pk")


def looked_up(text: str, *, limit: int, branches: Sequence[str] | None = None) -> list[UUID]:
    """Return the customers that a few letters mean, the nearest first."""
    rows = asked(CustomerAsked(text=text, branches=branches))
    # Who has the shortest name of those that fit is who was meant by it.
    return list(rows.order_by(Length("name"), "id").values_list("pk", flat=True)[:limit])


def of_inn(inn: str, *, besides: UUID | None = None) -> list[tuple[UUID, str, str]]:
    """Return (id, code, КПП) of the customers of that ИНН."""
    rows = models.Customer.objects.filter(inn=inn)
    if besides is not None:
        rows = rows.exclude(pk=besides)
    return list(rows.order_by("code").values_list("id", "code", "kpp"))


@dataclass(frozen=True, slots=True)
class Choices:
    """By what the list can be narrowed: branches by code with their names, segments."""

    branches: dict[str, str]
    segments: tuple[str, ...]


def choices() -> Choices:
    """Return the branches there are and the segments that customers have: one question."""
    branches = models.Branch.objects.values_list("code", "name", Value("branch"))
    having = models.Customer.objects.exclude(segment="").order_by().distinct()
    segments = having.values_list("segment", Value(""), Value("segment"))
    found = sorted(branches.order_by().union(segments, all=True))
    return Choices(
        {code: name for code, name, kind in found if kind == "branch"},
        tuple(code for code, _, kind in found if kind == "segment"),
    )


def _found(rows: "QuerySet[Any]", text: str) -> "QuerySet[Any]":
    """Narrow to what the text means; typed in the other layout, to what was meant."""
    words = tuple(asked_for(text))
    if words and not _is_known(words):
        meant = tuple(asked_for(folded(other_layout(text))))
        words = meant if meant and _is_known(meant) else words
    for word in words:
        rows = rows.filter(pk__in=_with_key(word).values("customer_id"))
    return rows if words else rows.none()


@asked_once
def _is_known(words: Sequence[str]) -> bool:
    """Whether somebody has each of the words: one question, once."""
    told = [Exists(_with_key(word)) for word in words]
    whole = models.Tenant.objects.filter(*told, pk=current_tenant_id())
    return bool(whole.exists())


def _with_key(word: str) -> "QuerySet[Any]":
    return models.SearchKey.objects.filter(key__gte=word, key__lt=word + _BEYOND)
