"""A database made by migrations that say something else by now is refused in plain words."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from kvit.platform.db.stamp import made_otherwise
from kvit.platform.migrate import SchemaOfAnotherDay, migrate_as_owner

pytestmark = pytest.mark.django_db(transaction=True)
_READ = "SELECT obj_description('django_migrations'::regclass)"


@pytest.fixture
def stamped(owner: psycopg.Connection[Any]) -> Iterator[dict[str, str]]:
    """What the migrated database says of itself; put back afterwards."""
    row = owner.execute(_READ).fetchone()
    assert row is not None
    yield json.loads(row[0])
    say(owner, row[0])


def say(owner: psycopg.Connection[Any], text: str) -> None:
    literal = psycopg.sql.Literal(text)
    owner.execute(psycopg.sql.SQL("COMMENT ON TABLE django_migrations IS {}").format(literal))


def test_a_migrated_database_knows_every_migration_of_ours(stamped: dict[str, str]) -> None:
    assert {"catalog.0001_initial", "ledger.0001_initial", "platform.0001_initial"} <= set(stamped)
    assert not any(name.startswith(("auth.", "procrastinate.")) for name in stamped)
    assert made_otherwise(MigrationLoader(connection)) == ""
    assert migrate_as_owner() is False


@pytest.mark.parametrize("lang", ["ru", "en"])
def test_a_migration_that_was_rewritten_is_named(
    owner: psycopg.Connection[Any], stamped: dict[str, str], lang: str
) -> None:
    say(owner, json.dumps({**stamped, "catalog.0001_initial": "another"}))
    with pytest.raises(SchemaOfAnotherDay) as refused:
        migrate_as_owner()
    text = refused.value.text(lang)
    assert "catalog.0001_initial" in text
    assert "kvit db restore" in text


def test_a_database_without_a_stamp_is_of_another_day(
    owner: psycopg.Connection[Any], stamped: dict[str, str]
) -> None:
    owner.execute("COMMENT ON TABLE django_migrations IS NULL")
    with pytest.raises(SchemaOfAnotherDay):
        migrate_as_owner()
    assert owner.execute(_READ).fetchone() == (None,)


def test_a_migration_that_is_yet_to_come_is_no_matter(
    owner: psycopg.Connection[Any], stamped: dict[str, str]
) -> None:
    """A later version brings more migrations; those that were applied say the same."""
    say(owner, json.dumps({**stamped, "catalog.0099_later": "anything"}))
    assert migrate_as_owner() is False
