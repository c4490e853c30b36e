"""What composed prices may read of a customer: as it was when the period was first billed.

A customer's segment is not versioned, so a charge keeps what it was computed from: a recalculation
of a billed period reads what its charges keep, a new period reads the customer of today.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from kvit.core.catalogue import Catalogue
from kvit.core.schedule import Contract, ServicePeriod
from kvit.core.stretches import Charge as Priced
from kvit.core.stretches import asks_attributes
from kvit.parties.rows import Customer
from kvit.rating.models import Charge

About = Mapping[str, Mapping[str, str]]  # by customer id
Key = tuple[str, date]  # subscription id, first day of the service period


def of_customers(customers: Mapping[UUID, Customer]) -> dict[str, dict[str, str]]:
    """Return what is known of customers now."""
    return {
        str(key): {
            "customer": one.row.code,
            "kind": one.row.kind,
            "segment": one.row.segment,
            "branch": one.row.branch,
        }
        for key, one in customers.items()
    }


def is_asked(contracts: Iterable[Contract], catalogue: Catalogue) -> bool:
    """Whether any price that may hold reads attributes."""
    if any(asks_attributes(one.price) for many in catalogue.prices.values() for one in many):
        return True
    own = (
        document
        for contract in contracts
        for spell in contract.spells
        for document in spell.terms.overrides.values()
    )
    return any(one.get("model") == "composed" for one in own)


def remembered(wanted: Sequence[tuple[Contract, ServicePeriod]]) -> dict[Key, dict[str, Any]]:
    """Return what the charges of these service periods keep of their customers."""
    if not wanted:
        return {}
    rows = Charge.objects.filter(
        subscription_id__in={contract.id for contract, _ in wanted},
        period_start__in={service.key for _, service in wanted},
        given__has_key="about",
    )
    found: dict[Key, dict[str, Any]] = {}
    for subscription, start, given in rows.order_by("rated_at", "revision").values_list(
        "subscription_id", "period_start", "given"
    ):
        kept = found.setdefault((str(subscription), start), {})
        for customer, about in given["about"].items():
            kept.setdefault(customer, about)
    return found


def given(charge: Priced, about: About) -> dict[str, object]:
    """Return what a charge keeps."""
    customer = charge.stretch.customer
    if not asks_attributes(charge.stretch.price) or customer not in about:
        return {}
    return {"about": {customer: about[customer]}}
