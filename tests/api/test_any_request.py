"""Schemathesis over every operation: whatever fits the description is answered as it says, and
whatever does not is refused. No answer is a fault of ours.

`KVIT_EXAMPLES` asks for more requests of each kind than the few of an ordinary run.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from kvit.web.api import openapi, urls
from tests.api.conftest import Callers

EXAMPLES = int(os.environ.get("KVIT_EXAMPLES", "3"))
# Not every document of the right form is taken (a code must exist, a clock goes forward), and who
# calls without a key is walked through in test_core.
EXCLUDED = [checks.positive_data_acceptance, checks.ignored_auth]
# A bad event is told in its verdict, at once or when it is asked for, and the others are taken.
TOLD_EACH = {"send_events", "send_events_in_bulk"}
schema = schemathesis.openapi.from_dict(openapi.document(urls.api))
operations = {
    result.ok().definition.raw["operationId"]: result.ok() for result in schema.get_all_operations()
}


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """As Django's own test client has it: the test's transaction outlives its requests."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.once
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", operations)
def test_every_request_is_answered_as_described(
    api: Callers, name: str, mode: GenerationMode
) -> None:
    operation = operations[name]
    excluded = [*EXCLUDED, *([checks.negative_data_rejection] if name in TOLD_EACH else [])]
    caller = api()
    app = WSGIHandler()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def try_it(case: Any) -> None:
        with transaction.atomic():
            case.call_and_validate(
                app=app,
                headers={"Authorization": f"Bearer {caller.key}", "Accept-Encoding": "identity"},
                base_url="http://localhost",
                excluded_checks=excluded,
            )
            transaction.set_rollback(True)

    try_it()
