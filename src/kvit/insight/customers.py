"""The list of customers with what each has and owes; a page has as many statements as columns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kvit.invoicing import queries as invoicing
from kvit.ledger import queries as ledger
from kvit.parties import queries as parties
from kvit.parties.rows import Customer, CustomerAsked
from kvit.platform.paging import LIMIT, Page
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions.queries import Standing

BY_DEBT = "owed"


@dataclass(frozen=True, slots=True)
class CustomersAsked:
    """What the list is narrowed to; an empty field narrows nothing."""

    text: str = ""
    kind: str = ""
    segment: str = ""
    branches: Collection[str] | None = None
    is_idle: bool = False  # without an active subscription
    is_owing: bool = False


@dataclass(frozen=True, slots=True)
class CustomerLine:
    """A customer in the list. `owed` is by currency; below zero it is an advance."""

    customer: Customer
    owed: Mapping[str, int]
    plans: tuple[str, ...]  # of what is active, paused or to come
    last_issued: date | None


@dataclass(frozen=True, slots=True)
class CustomerCard:
    """What a person sees first of one customer."""

    customer: Customer
    payer: Customer | None
    payees: tuple[Customer, ...]
    owed: Mapping[str, int]
    subscriptions: tuple[Standing, ...]
    issued: tuple[invoicing.Told, ...]


def customers_page(
    asked: CustomersAsked, *, now: datetime, on: date, order: str = "name", after: str = "",
    limit: int = LIMIT,
) -> Page[CustomerLine]:  # fmt: skip
    """Return a page of customers.

    Args:
        order: a key of `parties.queries.ORDERS`, or "owed", "-owed": in the company's currency.

    Raises:
        kvit.platform.paging.CursorUnreadable: see there.
    """
    wanted = _asked(asked, now, on)
    if order.removeprefix("-") == BY_DEBT:
        ids = ledger.page_by_debt(
            parties.asked_ids(wanted), currency=parties.tenant().row.currency, on=on,
            falls=order.startswith("-"), after=after, limit=limit,
        )  # fmt: skip
        known = parties.customers_by_id(ids.rows)
        page = ids.of(lambda key: known[key])
    else:
        page = parties.customers_page(wanted, order=order, after=after, limit=limit)
    keys = [one.id for one in page.rows]
    owed = ledger.owed_by(keys, on=on)
    taken = subscriptions.of_payers(keys, now=now)
    issued = invoicing.last_issued(keys)
    return page.of(
        lambda one: CustomerLine(
            one,
            owed.get(one.id, {}),
            tuple(dict.fromkeys(s.plan for s in taken.get(one.id, []) if s.state != "ended")),
            issued.get(one.id),
        )
    )


def owed_in_all(asked: CustomersAsked, *, now: datetime, on: date) -> Mapping[str, int]:
    """Return what the customers of the whole filter owe together, by currency."""
    everybody = asked == CustomersAsked()
    ids = None if everybody else parties.asked_ids(_asked(asked, now, on))
    return ledger.owed_in_all(ids, on=on)


def customer_card(
    key: UUID, *, now: datetime, on: date, branches: Collection[str] = ()
) -> CustomerCard | None:
    """Return what a person sees first of one customer; None as `customer_of`."""
    known = {one.id: one for one in parties.with_payees(key)}
    customer = known.pop(key, None)
    if customer is None or not _is_seen(customer, branches):
        return None
    payers = {customer.payer_id} - {key}
    return CustomerCard(
        customer,
        parties.customers_by_id(payers).get(customer.payer_id) if payers else None,
        tuple(known.values()),
        ledger.owed_by([key], on=on).get(key, {}),
        tuple(subscriptions.of_payers([key], now=now).get(key, ())),
        tuple(invoicing.told_to(key, limit=ISSUED)),
    )


ISSUED = 8  # documents on a customer's first screen


def _asked(asked: CustomersAsked, now: datetime, on: date) -> CustomerAsked:
    return CustomerAsked(
        text=asked.text,
        kind=asked.kind,
        segment=asked.segment,
        branches=asked.branches,
        among=ledger.owing_ids(on=on) if asked.is_owing else None,
        without=subscriptions.paying_ids(now) if asked.is_idle else None,
    )


def customer_of(key: UUID, *, branches: Collection[str] = ()) -> Customer | None:
    """Return a customer, unless there is none or it is of a branch that the reader may not see."""
    found = parties.customers_by_id([key]).get(key)
    return found if found is not None and _is_seen(found, branches) else None


def _is_seen(customer: Customer, branches: Collection[str]) -> bool:
    return not branches or customer.row.branch in branches
