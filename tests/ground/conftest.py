"""Servers of these tests' own: they change roles and passwords, which are the whole server's."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvit.platform.embedded import server
from kvit.platform.embedded.folder import DataFolder

NOBODY = 65534


@pytest.fixture(scope="module", params=["embedded", "system"])
def admin_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A superuser's connection string: of the wheel's PostgreSQL, then of the system's own."""
    with tempfile.TemporaryDirectory(prefix="kvit-", dir="/tmp") as name:
        if request.param == "embedded":
            folder = DataFolder(Path(name) / "kvit")
            server.ensure(folder, for_tests=True)
            yield server.superuser_conninfo(folder)
            server.stop(folder)
        else:
            yield from system_server(Path(name))


def system_server(folder: Path) -> Iterator[str]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("the system has no PostgreSQL of its own")
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    password = folder / "password"
    password.write_text("admin")
    if user:
        folder.chmod(0o755)
        shutil.chown(folder, NOBODY, NOBODY)

    def run(tool: str, *words: str) -> None:
        command = [str(found[0] / tool), "-D", str(folder / "pg"), *words]
        with (folder / "log").open("ab") as log:
            subprocess.run(command, stdout=log, stderr=log, check=True, cwd="/", **user)  # type: ignore[call-overload]

    run("initdb", "-U", "postgres", f"--pwfile={password}", "-A", "scram-sha-256", "-E", "UTF8")
    options = f"-c listen_addresses= -c unix_socket_directories={folder}"
    run("pg_ctl", "start", "-w", "-o", options)
    yield f"postgresql://postgres:admin@/postgres?host={folder}"
    run("pg_ctl", "stop", "-m", "immediate")
