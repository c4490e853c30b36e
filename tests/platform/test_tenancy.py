"""The scope, the manager, and what the connection tells the database."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from kvit.parties.models import Customer, Seller
from kvit.platform.tenancy import WrongTenant, current_tenant_id, tenant_scope
from tests.platform.conftest import House


def told() -> str:
    """What the database holds as the tenant, asked past the wrapper."""
    raw = connection.connection
    return raw.execute("SELECT current_setting('app.tenant', true)").fetchone()[0] or ""


def test_without_a_scope_the_manager_raises() -> None:
    with pytest.raises(WrongTenant):
        Customer.objects.all()
    with pytest.raises(WrongTenant):
        Customer(code="x").save()
    with pytest.raises(WrongTenant):
        current_tenant_id()


def test_another_scope_needs_switch(ours: House, theirs: House) -> None:
    with tenant_scope(ours.tenant):
        with pytest.raises(WrongTenant), tenant_scope(theirs.tenant):
            pass
        with tenant_scope(ours.tenant):
            assert Customer.objects.get().id == ours.customer
        with tenant_scope(theirs.tenant, switch=True):
            assert Customer.objects.get().id == theirs.customer
        assert Customer.objects.get().id == ours.customer
        assert current_tenant_id() == ours.tenant


def test_the_scope_is_left_after_an_error(ours: House) -> None:
    with pytest.raises(ZeroDivisionError), tenant_scope(ours.tenant):
        raise ZeroDivisionError
    with pytest.raises(WrongTenant):
        current_tenant_id()


def test_a_queryset_of_one_scope_is_empty_in_another(ours: House, theirs: House) -> None:
    with tenant_scope(ours.tenant):
        lazy = Customer.objects.all()
    with tenant_scope(theirs.tenant):
        assert list(lazy) == []


def test_a_cursor_runs_in_the_scope_of_the_statement(ours: House, theirs: House) -> None:
    with tenant_scope(ours.tenant):
        cursor = connection.cursor()
    with tenant_scope(theirs.tenant):
        cursor.execute("SELECT id FROM parties_customer")
        assert cursor.fetchall() == [(theirs.customer,)]
    cursor.execute("SELECT id FROM parties_customer")
    assert cursor.fetchall() == []


def test_the_manager_filters_even_where_the_database_would_not(ours: House) -> None:
    with tenant_scope(ours.tenant):
        assert f'tenant_id" = {ours.tenant}' in str(Customer.objects.all().query)


def test_a_savepoint_that_rolls_back_does_not_leave_the_former_tenant(
    ours: House, theirs: House
) -> None:
    """SET LOCAL is undone with the savepoint: the database is back at ours, the code is not."""
    with transaction.atomic():
        with tenant_scope(ours.tenant):
            assert Customer.objects.count() == 1
            savepoint = transaction.savepoint()
        with tenant_scope(theirs.tenant):
            assert Customer.objects.get().id == theirs.customer
        transaction.savepoint_rollback(savepoint)
        assert told() == str(ours.tenant)  # what the connection must not trust
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM parties_customer")
            assert cursor.fetchone() == (0,)
        with tenant_scope(theirs.tenant):
            assert Customer.objects.get().id == theirs.customer


def test_a_failed_statement_in_a_savepoint_keeps_the_tenant(ours: House) -> None:
    with tenant_scope(ours.tenant), transaction.atomic():
        Customer.objects.count()
        with pytest.raises(DatabaseError), transaction.atomic():
            connection.cursor().execute("SELECT 1 / 0")
        assert Customer.objects.get().id == ours.customer


@pytest.mark.django_db(transaction=True)
def test_a_lone_read_tells_nothing_to_the_session(ours: House) -> None:
    with tenant_scope(ours.tenant):
        assert Customer.objects.get().id == ours.customer
        assert told() == ""
        assert connection.in_atomic_block is False


@pytest.mark.django_db(transaction=True)
def test_rows_read_in_portions_are_the_tenants(ours: House, theirs: House) -> None:
    with tenant_scope(ours.tenant):
        Seller.objects.bulk_create(
            Seller(code=f"s{n}", name="", vat="auto", price_basis="net", series="", approval=False)
            for n in range(50)
        )
        assert sum(1 for _ in Seller.objects.iterator(chunk_size=7)) == 51
    with tenant_scope(theirs.tenant):
        assert sum(1 for _ in Seller.objects.iterator(chunk_size=7)) == 1


@pytest.mark.django_db(transaction=True)
def test_the_tenant_survives_a_new_connection(ours: House) -> None:
    with tenant_scope(ours.tenant):
        assert Customer.objects.count() == 1
        connection.close()
        assert Customer.objects.count() == 1
        with transaction.atomic():
            Customer.objects.count()
        connection.close()
        with transaction.atomic():
            assert Customer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_threads_and_tenants_do_not_mix(ours: House, theirs: House) -> None:
    def look(n: int) -> tuple[UUID, UUID]:
        house = ours if n % 2 else theirs
        with tenant_scope(house.tenant):
            if n % 3:
                return house.customer, Customer.objects.get().id
            with transaction.atomic():
                return house.customer, Customer.objects.get().id

    def many(start: int) -> list[tuple[UUID, UUID]]:
        try:
            return [look(start + n) for n in range(40)]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        seen = [pair for pairs in pool.map(many, range(4)) for pair in pairs]
    assert len(seen) == 160
    assert all(wanted == found for wanted, found in seen)


@pytest.mark.django_db(transaction=True)
def test_manual_transactions_are_told_again_after_a_commit(ours: House) -> None:
    transaction.set_autocommit(False)
    try:
        with tenant_scope(ours.tenant):
            assert Customer.objects.count() == 1
            transaction.commit()
            assert Customer.objects.count() == 1
            transaction.rollback()
            assert Customer.objects.count() == 1
            transaction.rollback()
    finally:
        transaction.set_autocommit(True)


def test_a_deferred_key_is_checked_after_the_scope_is_left(ours: House) -> None:
    with transaction.atomic():
        with tenant_scope(ours.tenant):
            Customer.objects.update(payer_id=uuid4())
        with pytest.raises(DatabaseError, match="foreign key"):
            connection.check_constraints()
        transaction.set_rollback(True)
