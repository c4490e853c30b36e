"""`kvit key`: the operator's way to a first key."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kvit.parties.queries import known_key
from kvit.parties.rows import Tenant
from kvit.web.cli import main


def told(capsys: Any, *words: str) -> Any:
    assert main(["key", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_key_made_at_the_terminal_opens_until_it_is_revoked(
    tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    made = told(capsys, "new", "crm", "--right", "usage.write")
    known = known_key(made["key"], now=datetime.now(UTC))
    assert known is not None
    assert (known.tenant.id, known.row.rights) == (tenant.id, ("usage.write",))
    [listed] = told(capsys, "list")["keys"]
    assert (listed["name"], listed["is_revoked"]) == ("crm", False)
    assert made["key"].split("_", 2)[2] not in json.dumps(listed)
    told(capsys, "revoke", listed["key"], "--reason", "утечка")
    assert known_key(made["key"], now=datetime.now(UTC)) is None


def test_a_right_that_is_none_is_named(tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", "crm", "--right", "world.rule"]) == 1
    assert "world.rule" in capsys.readouterr().err


def test_no_key_is_made_without_a_name(tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new"]) == 2
    assert main(["key", "revoke", "kvit_ffffff"]) == 1
