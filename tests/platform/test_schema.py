"""What the schema editor gives a table, seen in the database."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection, models, transaction
from django.test.utils import isolate_apps

from kvit.platform.catalogue_check import problems
from kvit.platform.db.roles import as_owner
from kvit.platform.tenancy import AppendOnly, TenantModel, tenant_scope
from tests.platform.conftest import House

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shelf() -> Iterator[tuple[Any, Any, Any]]:
    """Three tables made for this test: box, thing in a box, tally with a bigint key."""
    with isolate_apps("kvit.platform"):

        class Box(TenantModel):
            class Meta:
                app_label = "platform"

        class Thing(TenantModel):
            box = models.ForeignKey(Box, on_delete=models.PROTECT)

            class Meta:
                app_label = "platform"

        class Tally(AppendOnly, TenantModel):
            id = models.BigAutoField(primary_key=True)
            count = models.IntegerField()

            class Meta:
                app_label = "platform"

        made = (Box, Thing, Tally)
        with as_owner(), connection.schema_editor() as editor:
            for model in made:
                editor.create_model(model)
        yield made
        connection.close()
        with as_owner(), connection.schema_editor() as editor:
            for model in reversed(made):
                editor.delete_model(model)


def test_every_new_table_is_protected(shelf: Any) -> None:
    assert problems() == []


def test_a_tenants_table_may_have_a_bigint_key(shelf: Any, ours: House, theirs: House) -> None:
    tally = shelf[2]
    for house in (ours, theirs):
        with tenant_scope(house.tenant):
            assert tally.objects.create(count=1).id > 0
            assert tally.objects.count() == 1


def test_a_key_added_later_is_composite(shelf: Any, ours: House, theirs: House) -> None:
    box, thing, _ = shelf
    field = models.ForeignKey(box, on_delete=models.PROTECT, null=True, related_name="+")
    field.set_attributes_from_name("other")
    field.model = thing
    with as_owner(), connection.schema_editor() as editor:
        editor.add_field(thing, field)
    assert keys_of("platform_thing") == [("box_id", "tenant_id"), ("other_id", "tenant_id")]
    with as_owner(), connection.schema_editor() as editor:
        editor.remove_field(thing, field)
    assert keys_of("platform_thing") == [("box_id", "tenant_id")]


def test_a_composite_key_is_found_when_it_is_changed(shelf: Any) -> None:
    box, thing, _ = shelf
    old = thing._meta.get_field("box")
    new = models.ForeignKey(box, on_delete=models.PROTECT, null=True, db_constraint=False)
    new.set_attributes_from_name("box")
    new.model = thing
    with as_owner(), connection.schema_editor() as editor:
        editor.alter_field(thing, old, new)
    assert keys_of("platform_thing") == []


def test_append_only_holds_against_the_owner_too(
    ours: House, owner: "psycopg.Connection[Any]"
) -> None:
    for statement in (
        "UPDATE platform_auditrow SET reason = 'better'",
        "DELETE FROM platform_auditrow",
        "TRUNCATE platform_auditrow",
        "TRUNCATE platform_eventlog CASCADE",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation, match="never changed"):
            owner.execute(statement)


def test_the_owner_sees_every_tenant(
    ours: House, theirs: House, owner: "psycopg.Connection[Any]"
) -> None:
    """BYPASSRLS: or keys would be validated, and rows migrated, half blind."""
    found = owner.execute("SELECT count(*) FROM parties_customer").fetchone()
    assert found == (2,)


def test_as_owner_gives_the_connection_back(ours: House) -> None:
    def user() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            return str(cursor.fetchone()[0])

    with as_owner():
        assert user() == "kvit_owner"
    assert user() == "kvit_app"
    with pytest.raises(RuntimeError), as_owner():
        raise RuntimeError
    with transaction.atomic():
        assert user() == "kvit_app"


def keys_of(table: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table).values()
    return sorted(tuple(sorted(c["columns"])) for c in found if c["foreign_key"])
