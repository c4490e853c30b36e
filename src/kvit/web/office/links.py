"""Addresses of other areas' pages, and names of people, for pages that point at them."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.urls import NoReverseMatch, reverse

from kvit.parties import queries as parties


@dataclass(frozen=True, slots=True)
class Who:
    """A customer as other pages name it."""

    id: UUID
    code: str
    name: str
    inn: str

    @property
    def url(self) -> str:
        """The address of the card: made for who shows it, and not for a million rows of a file."""
        return customer_address(self.code, self.id)


def customers(ids: Iterable[UUID | None]) -> dict[UUID, Who]:
    """Return customers by id, in one query."""
    found = parties.customers_by_id({one for one in ids if one is not None})
    return {key: Who(key, one.row.code, one.row.name, one.row.inn) for key, one in found.items()}


def customer_address(code: str, key: UUID) -> str:
    """Return the card of a customer; "" where there is no such page."""
    return _address("customer", [code], [key])


def subscription_address(code: str) -> str:
    """Return the card of a subscription; "" where there is no such page."""
    return _address("subscription", [code])


def _address(name: str, *arguments: list[object]) -> str:
    for given in arguments:
        try:
            return reverse(f"office:{name}", args=given)
        except NoReverseMatch:
            continue
    return ""


def people(actors: Iterable[str]) -> dict[str, str]:
    """Return who the authors of changes are: the names of users."""
    ids = {}
    for actor in actors:
        kind, _, key = actor.partition(":")
        if kind == "user":
            with suppress(ValueError):
                ids[actor] = UUID(key)
    names = parties.user_names(ids.values())
    return {actor: names.get(key, actor) for actor, key in ids.items()}
