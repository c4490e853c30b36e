"""Who did something, by name; and what was written down about customers."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from kvit.parties import models
from kvit.parties.masking import free_text
from kvit.parties.rows import Note

Before = tuple[datetime, UUID]


def actor_names(actors: Iterable[str]) -> dict[str, str]:
    """Return the names of "user:<id>" and "key:<id>"; whoever has none is left out."""
    ids: dict[str, dict[UUID, str]] = {"user": {}, "key": {}}
    for actor in set(actors):
        kind, _, key = actor.partition(":")
        if kind in ids and (found := _uuid(key)):
            ids[kind][found] = actor
    names: dict[str, str] = {}
    if ids["user"]:
        rows = models.User.objects.filter(pk__in=ids["user"]).values_list("pk", "name", "email")
        names |= {ids["user"][key]: name or email for key, name, email in rows}
    if ids["key"]:
        rows = models.ApiKey.objects.filter(pk__in=ids["key"]).values_list("pk", "name")
        names |= {ids["key"][key]: name for key, name in rows}
    return names


def notes_of(customer_id: UUID, *, before: Before | None = None, limit: int = 50) -> list[Note]:
    """Return what was written down about a customer, the newest first, older than a (time, id)."""
    rows = models.CustomerNote.objects.filter(customer_id=customer_id)
    if before is not None:
        at, key = before
        rows = rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=key), at__lte=at)
    found = rows.order_by("-at", "-pk").values_list("pk", "customer_id", "text", "author", "at")
    return [
        Note(key, customer, free_text(text), author, at)
        for key, customer, text, author, at in found[:limit]
    ]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
