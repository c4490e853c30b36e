"""Due subscriptions in parts by a hash of their customer."""

from datetime import UTC, date, datetime
from uuid import UUID

from kvit.parties import services as parties
from kvit.parties.queries import customers_by_code
from kvit.parties.rows import CustomerRow, Tenant
from kvit.platform.ids import uuid7
from kvit.subscriptions.models import Subscription
from kvit.subscriptions.queries import count_alive, customer_shares, due_chunks

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
ALIVE = {"before": date(2026, 11, 1), "since": date(2023, 10, 1)}


def have(customers: dict[str, int]) -> dict[UUID, UUID]:
    """Store so many subscriptions of each customer, turn by turn; return whose each is."""
    rows = [CustomerRow(code, code) for code in customers]
    parties.apply_customers(rows, actor="t", now=BEGIN, reason="")
    ids = {code: one.id for code, one in customers_by_code(list(customers)).items()}
    made = [
        Subscription(
            pk=uuid7(), code=f"{code}-{n}", customer_id=ids[code], zone="Europe/Moscow",
            starts_at=BEGIN, starts_on=BEGIN.date(), first={},
        )
        for n in range(max(customers.values()))
        for code, count in customers.items()
        if n < count
    ]  # fmt: skip
    Subscription.objects.bulk_create(made)
    return {one.pk: one.customer_id for one in made}


def test_each_due_subscription_is_in_one_part_with_all_of_its_customer(tenant: Tenant) -> None:
    owner = have({f"c{n}": 1 + n % 3 for n in range(200)})
    ended = Subscription.objects.filter(pk__in=list(owner)[:50])
    ended.update(starts_on=date(2023, 9, 1), ends_on=date(2023, 9, 30))
    parts = list(customer_shares(**ALIVE, size=20, shares=16))
    found = [key for ids in parts for key in ids]
    wanted = {key for ids in due_chunks(**ALIVE, size=100) for key in ids}
    assert (len(found), set(found)) == (count_alive(**ALIVE), wanted)
    assert len(found) == len(owner) - 50
    customers = [{owner[key] for key in ids} for ids in parts]
    assert sum(map(len, customers)) == len(set().union(*customers))
    assert max(map(len, parts)) < 40 + 3  # the last customer of a part is in it with all of its own


def test_where_a_share_is_cut_customers_stay_whole(tenant: Tenant) -> None:
    owner = have({f"c{n}": 1 + n % 2 for n in range(400)})
    parts = list(customer_shares(**ALIVE, size=1, shares=16))
    customers = [{owner[key] for key in ids} for ids in parts]
    assert (sum(map(len, parts)), sum(map(len, customers))) == (600, 400)
    assert max(map(len, parts)) < 2 + 2


def test_a_customer_of_more_than_a_part_is_cut(tenant: Tenant) -> None:
    owner = have({"small": 2, "vast": 95})
    parts = list(customer_shares(**ALIVE, size=10, shares=4))
    assert sorted(key for ids in parts for key in ids) == sorted(owner)
    assert max(map(len, parts)) <= 20 + 2


def test_neighbours_in_time_are_spread_evenly(tenant: Tenant) -> None:
    have({f"c{n:03}": 1 for n in range(320)})
    sizes = [len(ids) for ids in customer_shares(**ALIVE, size=20, shares=16)]
    assert (len(sizes), sum(sizes)) == (16, 320)


def test_nobody_due_makes_no_part(tenant: Tenant) -> None:
    assert list(customer_shares(**ALIVE, size=20, shares=1)) == []
