"""The generated clients: in step with the API, and from nothing to a corrected invoice by each."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from kvit.parties import models
from kvit.parties.rows import TenantRow
from kvit.parties.services import create_key, create_tenant, set_machine_factors
from kvit.platform.clock import move_test_clock
from kvit.platform.jobs import work_once
from kvit.platform.tenancy import tenant_scope

CLIENTS = Path(__file__).resolve().parents[2] / "clients"
NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
STORY = """\
events: 3 accepted; sent again: 0 accepted, 3 repeated
run: done
invoice 2026-00001: 24156.00 RUB
line 1 computed again: agrees
corrected by 2026-00002: 22936.00 RUB is left
"""


def test_the_clients_are_in_step_with_the_description() -> None:
    """Made anew by `.venv/bin/python clients/generate.py`."""
    asked = [sys.executable, str(CLIENTS / "generate.py"), "--check"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.fixture
def key(live_server: Any) -> str:
    rights = frozenset(models.RoleRight.objects.values_list("right", flat=True))
    row = TenantRow("acme", "ООО «Акме»", currency="RUB", zone="Europe/Moscow")
    tenant = create_tenant(row, actor="cli:test", now=NOW)
    with tenant_scope(tenant.id):
        move_test_clock(tenant.id, to=NOW, actor="cli:test", reason="проба")
        made = create_key(
            name="demo", rights=tuple(rights), granter=rights, actor="cli:test",
            now=datetime.now(UTC),
        )  # fmt: skip
    return made.key


@pytest.fixture
def worker(key: str) -> Iterator[None]:
    """Does what is ordered while the client waits."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.2):
            work_once()
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def run(words: list[str], url: str, key: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "KVIT_URL": url, "KVIT_KEY": key, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        words, env=given, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("client", ["python", "node"])
def test_a_client_comes_from_nothing_to_a_corrected_invoice(
    live_server: Any, key: str, worker: None, client: str
) -> None:
    if client == "node" and shutil.which("node") is None:
        pytest.skip("node is not on the PATH: the TypeScript client cannot run here")
    words = {
        "python": [sys.executable, str(CLIENTS / "python" / "demo.py")],
        "node": ["node", str(CLIENTS / "typescript" / "demo.js")],
    }[client]
    done = run(words, live_server.url, key)
    assert (done.returncode, done.stdout) == (0, STORY), done.stderr
    again = run(words, live_server.url, key)
    assert (again.returncode, again.stdout.splitlines()[0]) == (
        0, "events: 0 accepted; sent again: 0 accepted, 3 repeated",
    ), again.stderr  # fmt: skip


def test_both_clients_sign_as_the_company_asks(live_server: Any, key: str) -> None:
    from tests.api.conftest import Caller

    tenant = models.Tenant.objects.get()
    with tenant_scope(tenant.pk):
        made = create_key(
            name="signer", rights=["settings.write"], granter=frozenset({"settings.write"}),
            actor="cli:test", now=datetime.now(UTC),
        )  # fmt: skip
        set_machine_factors(2, actor="cli:test", now=NOW, reason="политика")
    assert Caller(made.key).get("/clock").code == "second_factor_missing"
    python = (
        "import sys; sys.path.insert(0, sys.argv[1]); from kvit_client import Kvit;"
        "k = Kvit(*sys.argv[2:4], signing_secret=sys.argv[4]);"
        "print(k.move_clock({'to': '2026-12-01T00:00:00Z', 'reason': 'проба'})['is_test'])"
    )
    given = [live_server.url, made.key, made.signing_secret]
    done = run([sys.executable, "-c", python, str(CLIENTS / "python"), *given], "", "")
    assert done.stdout == "True\n", done.stderr
    if shutil.which("node") is None:
        pytest.skip("node is not on the PATH")
    script = (
        "const [,file,url,key,signingSecret]=process.argv;"
        "const {Kvit}=await import(file);const k=new Kvit(url,key,{signingSecret});"
        "console.log((await k.readClock()).is_test)"
    )
    node = ["node", "--input-type=module", "-e", script, str(CLIENTS / "typescript" / "kvit.js")]
    done = run([*node, *given], "", "")
    assert done.stdout == "true\n", done.stderr
