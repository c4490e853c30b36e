"""The ground of proofs, on the server of the tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from kvit.platform.db.roles import Access
from kvit.web.prove.ground import Ground
from tests import database


@pytest.fixture(scope="session")
def ground(worker_access: Access, django_db_blocker: Any) -> Iterator[Ground]:
    """A server for proofs: they make databases of their own on it, and drop them."""
    where = database.server()
    made = Ground(where.admin, where.access, base=database.migrated(where))
    with django_db_blocker.unblock():
        yield made
        made.drop(*made.made.values())
