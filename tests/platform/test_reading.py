"""What is asked again within a reading or beside a service is answered from memory."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kvit.parties import queries as parties
from kvit.platform.reading import is_plain, reading, steadily

pytestmark = pytest.mark.usefixtures("tenant")


def statements(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as seen:
        act()
    return len([one for one in seen.captured_queries if one["sql"].startswith("SELECT")])


def asked() -> None:
    parties.tenant()
    parties.branches()


def test_a_reading_asks_once_and_one_within_it_is_a_part_of_it() -> None:
    assert statements(asked) == 2
    with reading():
        assert statements(asked) == 2
        with reading():
            assert is_plain()
            assert statements(asked) == 0
    assert statements(asked) == 2


def test_a_dry_run_within_a_reading_keeps_what_is_steady_alone() -> None:
    with reading():
        asked()
        with transaction.atomic():
            assert not is_plain()
            assert statements(asked) == 1


def test_a_service_remembers_what_is_steady_and_nothing_else() -> None:
    with transaction.atomic(), steadily():
        asked()
        assert not is_plain()
        assert statements(asked) == 1
        with steadily():
            assert statements(parties.tenant) == 0
    assert statements(parties.tenant) == 1
