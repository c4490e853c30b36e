"""An installation of its own for browser tests: the demo company, served, and a browser."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kvit.web import assets

ROOT = Path(__file__).resolve().parents[2]
# A loaded machine is slow, which is no fault of what is served.
START_S = 180
PATIENCE_MS = 60_000
# Without these Chromium looks for its makers' hosts at each start.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Served:
    """Where the pages are, and the folder whose data they show."""

    url: str
    data: Path

    def kvit(self, *words: str) -> str:
        """Run a command on the same data and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "kvit", *words],
            env=environment(self.data), cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


def environment(data: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KVIT_")}
    return kept | {
        "KVIT_DATA": str(data), "KVIT_DURABILITY": "test", "KVIT_LANG": "ru",
        "PYTHONPATH": str(ROOT / "src"),
    }  # fmt: skip


def chromium() -> str:
    """Return the browser of the machine, or skip and say what to install."""
    path = os.environ.get("KVIT_CHROMIUM") or shutil.which("chromium") or ""
    if not path:
        pytest.skip("no Chromium here: apt-get install -y chromium")
    if not assets.are_built():
        pytest.skip("the pages are not built: ./kvit serve builds them (npm is needed)")
    return path


def own_port() -> int:
    """Return a port that the system hands to nobody else now: two runners look at one moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(data: Path) -> Iterator[Served]:
    """Bill the demo into `data` and serve it until the block ends."""
    Served("", data).kvit("demo", "--no-serve")
    port = own_port()  # now that it is taken at once
    served = Served(f"http://localhost:{port}", data)
    log = (data / "web.log").open("wb")
    roles = [["web", "--port", str(port)], ["worker"]]
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "kvit", "run", *role],
            env=environment(data), cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
        )
        for role in roles
    ]  # fmt: skip
    try:
        _wait(served, processes[0])
        yield served
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        log.close()
        served.kvit("db", "stop")


def _wait(served: Served, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert process.poll() is None, (served.data / "web.log").read_text()
        try:
            with urllib.request.urlopen(f"{served.url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            time.sleep(0.3)
    raise AssertionError((served.data / "web.log").read_text())


_SESSION = """
import sys, time
from kvit.web.cli.ground import ready
ready()
from datetime import UTC, datetime
from allauth.mfa.models import Authenticator
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from kvit.web.login.sessions import SessionStore
from kvit.parties import queries
from kvit.parties.models import User
from kvit.parties.services import add_member
from kvit.platform.tenancy import tenant_scope
role, tenant = sys.argv[1], queries.tenant_by_code(sys.argv[2])
with tenant_scope(tenant.id):
    known = add_member(email=role + "@example.com", name=sys.argv[3], role=role,
                       actor="cli:test", now=datetime.now(UTC))
user = User.objects.get(pk=known)
Authenticator.objects.get_or_create(user=user, type="totp", defaults={"data": {"secret": "x"}})
session = SessionStore()
session[SESSION_KEY] = str(known)
session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session["account_authentication_methods"] = [
    {"method": "password", "at": time.time()}, {"method": "mfa", "at": time.time(), "type": "totp"}]
session["account_authentication_methods_user"] = str(known)
session["tenant"] = str(tenant.id)
session.create()
print(session.token)
"""


def session_of(served: Served, role: str, name: str = "Ольга") -> str:
    """Return the cookie of a person who has logged in with both factors; login itself is tested
    by typing."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _SESSION, role, "severny-kontur", name],
        env=environment(served.data), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]
