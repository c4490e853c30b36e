"""`among` is `IN`, with bounds that change nothing but the plan."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kvit.parties.models import Branch, Seller
from kvit.parties.rows import Tenant
from kvit.platform.among import among
from kvit.platform.ids import uuid7


def test_finds_what_is_listed_and_nothing_between(tenant: Tenant) -> None:
    made = [
        Seller.objects.create(
            code=f"s{n}", name="", vat="auto", price_basis="net", series="{number}", approval=False
        )
        for n in range(5)
    ]
    chosen = [made[0].pk, made[3].pk]
    assert set(Seller.objects.filter(among("pk", chosen))) == {made[0], made[3]}
    assert list(Seller.objects.filter(among("pk", [made[2].pk]))) == [made[2]]
    assert list(Branch.objects.filter(among("seller_id", {uuid7()}))) == []


def test_nothing_listed_finds_nothing_and_asks_nothing(
    tenant: Tenant, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert list(Seller.objects.filter(among("pk", []))) == []


@given(st.sets(st.uuids(), min_size=1))
def test_the_order_of_ids_is_that_of_their_text(ids: set[UUID]) -> None:
    """And of their bytes, by which PostgreSQL compares: the bounds leave nothing out."""
    assert str(min(ids)) == min(map(str, ids))
    assert max(ids).bytes == max(one.bytes for one in ids)
