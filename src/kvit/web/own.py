"""What of a company a member of a branch may see where rows name no customer: usage."""

from collections.abc import Mapping

from kvit.parties import queries as parties
from kvit.subscriptions import queries as subscriptions


def own_subjects() -> Mapping[str, frozenset[str]] | None:
    """Return whose usage who asks may see, codes by kind of subject; None: everybody's."""
    if parties.reached() is None:
        return None
    return {
        "subscription": frozenset(subscriptions.all_codes()),
        "customer": frozenset(parties.customer_codes()),
    }
