"""Addresses of other areas' pages, and names of people, for pages that point at them."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.urls import NoReverseMatch, reverse

from kvit.parties import queries as parties
from kvit.web.authorship import people

__all__ = ["Who", "customer_address", "customers", "people", "subscription_address"]


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
    found = parties.customers_named({one for one in ids if one is not None})
    return {key: Who(key, *named) for key, named in found.items()}


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
