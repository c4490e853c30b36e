"""The embedded server under kills, races and moves. Processes here are real; so are the kills."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from kvit.platform import durability
from kvit.platform.connection import conninfo
from kvit.platform.db.roles import APP_ROLE, OWNER_ROLE
from kvit.platform.embedded import account, postmaster, server
from kvit.platform.embedded.cluster import ClusterUnusable
from kvit.platform.embedded.folder import DataFolder, FolderUnusable
from kvit.platform.embedded.postmaster import is_alive, postmaster_pid

pytestmark = [pytest.mark.slow, pytest.mark.embedded]
PATIENCE_S = 120

USER = """
import sys, time
from pathlib import Path
from kvit.platform.embedded import server
from kvit.platform.embedded.folder import DataFolder
folder = DataFolder(Path(sys.argv[1]))
server.ensure(folder, linger_s=float(sys.argv[2]))
print(server.status(folder).pid, flush=True)
time.sleep(float(sys.argv[3]))
"""


def start_user(
    folder: DataFolder, *, linger_s: float = 60, stays_s: float = 60
) -> "subprocess.Popen[str]":
    """Start a process that uses the server, as a command would."""
    words = [sys.executable, "-P", "-c", USER, str(folder.root), str(linger_s), str(stays_s)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def pid_told_by(user: "subprocess.Popen[str]") -> int:
    assert user.stdout is not None
    return int(user.stdout.readline())


def use(folder: DataFolder, *, linger_s: float = 60) -> int:
    """Let a process use the server and leave; return the server's pid."""
    user = start_user(folder, linger_s=linger_s, stays_s=0)
    pid = pid_told_by(user)
    assert user.wait(PATIENCE_S) == 0
    return pid


def until(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def query(folder: DataFolder, text: str, role: str = OWNER_ROLE) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo(server.access_of(folder), role)) as connection:
        cursor = connection.execute(text)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """A folder whose server was used and has stopped: making it takes longer than most tests."""
    made = DataFolder(tmp_path_factory.mktemp("used") / "kvit")
    use(made)
    server.stop(made)
    return made


@pytest.fixture
def new_folder(tmp_path: Path) -> Iterator[DataFolder]:
    """No folder yet: whoever uses it first makes it."""
    made = DataFolder(tmp_path / "kvit")
    yield made
    for place in (made, DataFolder(tmp_path / "moved")):
        if place.root.exists():
            server.stop(place)


@pytest.fixture
def folder(used: DataFolder, new_folder: DataFolder) -> DataFolder:
    """A folder whose server was used before."""
    subprocess.run(["cp", "-a", str(used.root), str(new_folder.root)], check=True)
    return new_folder


def test_a_new_server_is_private(new_folder: DataFolder) -> None:
    use(new_folder)
    assert new_folder.root.stat().st_mode & 0o777 == 0o700
    assert (new_folder.root / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert (new_folder.root / "run").stat().st_mode & 0o777 == 0o700
    assert query(new_folder, "SHOW listen_addresses") == [("",)]
    host = server.access_of(new_folder).host
    for user in ("postgres", OWNER_ROLE, APP_ROLE):
        with pytest.raises(psycopg.OperationalError, match=r"password|no password supplied"):
            psycopg.connect(host=host, user=user, dbname="kvit", passfile=os.devnull)


def test_the_application_role_owns_nothing_and_the_owner_sees_all(folder: DataFolder) -> None:
    use(folder)
    rights = "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname"
    assert query(folder, f"{rights} = 'kvit_app'") == [(False, False, False, False)]
    assert query(folder, f"{rights} = 'kvit_owner'") == [(False, True, False, False)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(folder, "CREATE TABLE t (i int)", role=APP_ROLE)


def test_cyrillic_words_have_trigrams(folder: DataFolder) -> None:
    use(folder)
    assert query(folder, "SELECT similarity('яблоко', 'яблоки') > 0.5") == [(True,)]


def test_two_first_starts_at_once_share_one_server(new_folder: DataFolder) -> None:
    users = [start_user(new_folder, stays_s=0) for _ in range(4)]
    assert len({pid_told_by(user) for user in users}) == 1
    assert [user.wait(PATIENCE_S) for user in users] == [0, 0, 0, 0]


def test_a_killed_server_is_started_again_and_keeps_what_was_committed(folder: DataFolder) -> None:
    user = start_user(folder)
    first = pid_told_by(user)
    query(folder, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i")
    kill(first)
    until(lambda: server.status(folder).ready and postmaster_pid(folder) != first)
    assert query(folder, "SELECT count(*) FROM t") == [(1000,)]
    user.kill()
    user.wait()


def test_a_killed_guard_is_replaced_and_the_server_never_stopped(folder: DataFolder) -> None:
    first = use(folder)
    guard = server.status(folder).guard_pid
    kill(guard)
    until(lambda: server.guard_pid(folder) is None)
    assert query(folder, "SELECT 1") == [(1,)]
    assert use(folder) == first
    until(lambda: server.guard_pid(folder) not in (None, guard))
    assert server.stop(folder) is True
    assert not is_alive(first)


def test_guard_and_server_killed_together_come_back(folder: DataFolder) -> None:
    first = use(folder)
    query(folder, "CREATE TABLE t AS SELECT 7 AS i")
    kill(server.status(folder).guard_pid)
    kill(first)
    assert use(folder) != first
    assert query(folder, "SELECT i FROM t") == [(7,)]


def test_the_server_stops_when_its_last_user_was_killed(folder: DataFolder) -> None:
    user = start_user(folder, linger_s=0.5)
    pid = pid_told_by(user)
    time.sleep(2)
    assert is_alive(pid)
    user.kill()
    user.wait()
    until(lambda: server.guard_pid(folder) is None)
    assert postmaster_pid(folder) is None


def test_a_server_asked_to_stay_does(new_folder: DataFolder) -> None:
    new_folder.create()
    new_folder.keep.touch()
    pid = use(new_folder, linger_s=0)
    time.sleep(2)
    assert is_alive(pid)
    new_folder.keep.unlink()
    until(lambda: not is_alive(pid))


def test_a_process_that_is_reaped_while_one_looks_is_not_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = subprocess.Popen(["sleep", "60"])

    def open_and_reap(path: str, mode: str) -> Any:
        found = open(path, mode)  # noqa: SIM115 - who asked closes it
        child.kill()
        child.wait()
        return found

    monkeypatch.setattr(postmaster, "open", open_and_reap, raising=False)
    assert is_alive(child.pid) is False


def test_a_pid_that_belongs_to_somebody_else_is_no_obstacle(folder: DataFolder) -> None:
    use(folder)
    lines = folder.postmaster_lines()
    server.stop(folder)
    stale = folder.cluster / "postmaster.pid"
    stale.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert postmaster_pid(folder) is None
    assert use(folder) != os.getpid()


def test_a_folder_may_be_moved_at_rest(folder: DataFolder) -> None:
    use(folder)
    query(folder, "CREATE TABLE t AS SELECT 7 AS i")
    server.stop(folder)
    moved = DataFolder(folder.root.rename(folder.root.with_name("moved")))
    use(moved)
    assert query(moved, "SELECT i FROM t") == [(7,)]


def test_a_folder_may_be_moved_under_a_running_server(folder: DataFolder) -> None:
    first = use(folder)
    moved = DataFolder(folder.root.rename(folder.root.with_name("moved")))
    assert use(moved) == first
    assert query(moved, "SELECT 1") == [(1,)]
    assert server.stop(moved) is True
    assert use(moved) != first


def test_an_initialisation_that_was_killed_is_begun_anew(new_folder: DataFolder) -> None:
    new_folder.create()
    new_folder.secret("postgres")
    half = new_folder.root / "pg.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    use(new_folder)
    assert not half.exists()
    assert query(new_folder, "SELECT current_user") == [("kvit_owner",)]


def test_a_start_killed_at_any_moment_leaves_nothing_in_the_way(new_folder: DataFolder) -> None:
    for delay_s in (0.3, 0.5, 0.7, 0.9):
        user = start_user(new_folder)
        time.sleep(delay_s)
        user.kill()
        user.wait()
    use(new_folder)
    assert query(new_folder, "SELECT 1") == [(1,)]


def test_unsafe_settings_are_refused_when_read_back(folder: DataFolder) -> None:
    with (folder.cluster / "postgresql.conf").open("a") as conf:
        conf.write("fsync = off\n")
    with pytest.raises(durability.UnsafeDurability, match="fsync = off"):
        server.ensure(folder)


def test_a_long_path_gets_its_socket_in_a_short_private_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / ("x" * 100) / "kvit")
    use(folder)
    socket = server.status(folder).socket
    assert socket is not None
    assert socket.parent == Path("/tmp")
    assert socket.stat().st_mode & 0o777 == 0o700
    assert query(folder, "SELECT 1") == [(1,)]
    server.stop(folder)
    shutil.rmtree(socket)


def test_a_socket_folder_that_somebody_else_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of somebody else's")
    folder = DataFolder(tmp_path / ("x" * 100) / "kvit")
    folder.create()
    planted = folder.new_socket_folder()
    os.chown(planted, 12345, 12345)
    with pytest.raises(FolderUnusable, match="another user"):
        folder.new_socket_folder()
    planted.rmdir()


def test_data_of_another_major_version_are_left_alone(folder: DataFolder) -> None:
    (folder.cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(ClusterUnusable, match="PostgreSQL 17"):
        server.ensure(folder)
    assert (folder.cluster / "PG_VERSION").read_text() == "17\n"


def test_a_server_that_cannot_start_says_why(folder: DataFolder) -> None:
    with (folder.cluster / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = on\n")
    with pytest.raises(server.NoServer, match="no_such_setting"):
        server.ensure(folder)
    assert server.guard_pid(folder) is None


def test_a_recovery_is_waited_for_however_long_and_told_about(folder: DataFolder) -> None:
    use(folder)
    query(folder, "CREATE TABLE t AS SELECT 7 AS i")
    server.stop(folder)
    # Recovery from an archive that is slow to answer, asked twice.
    with (folder.cluster / "postgresql.conf").open("a") as conf:
        conf.write("restore_command = 'sleep 5.5; exit 1'\n")
    signal_file = folder.cluster / "recovery.signal"
    signal_file.touch()
    folder.give_to_owner(signal_file)
    told: list[tuple[str, int]] = []
    began = time.monotonic()
    server.ensure(folder, report=lambda key, **params: told.append((key, params["seconds"])))
    assert time.monotonic() - began > 10  # where the wheel's own wrapper gives up
    assert [key for key, _ in told] == ["waiting"] * len(told)
    assert told[0][1] >= 3
    assert query(folder, "SELECT i FROM t") == [(7,)]


def test_root_runs_the_server_without_giving_files_away(new_folder: DataFolder) -> None:
    if os.geteuid() != 0 or not account._namespaces_allowed():
        pytest.skip("needs root and user namespaces")
    pid = use(new_folder)
    assert query(new_folder, "SELECT pg_backend_pid() > 0") == [(True,)]
    owners = {path.stat().st_uid for path in new_folder.root.rglob("*") if not path.is_socket()}
    assert owners == {0}
    inside = Path(f"/proc/{pid}/uid_map").read_text().split()
    assert inside == ["65534", "0", "1"]


def test_root_without_namespaces_gives_the_folder_to_nobody(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with reachable_folder() as folder:
        os.chown(folder.root, account.NOBODY, account.NOBODY)
        pid = use(folder)
        assert os.stat(f"/proc/{pid}").st_uid == account.NOBODY
        assert query(folder, "SELECT 1") == [(1,)]
        assert folder.log.stat().st_uid == account.NOBODY
        server.stop(folder)


def test_giving_away_changes_every_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    monkeypatch.setattr(account, "_namespaces_allowed", lambda: False)
    with reachable_folder() as folder:
        chosen = account.account_of(folder)
        assert (chosen.uid, chosen.prefix) == (account.NOBODY, ())
        assert {path.stat().st_uid for path in folder.root.rglob("*")} == {account.NOBODY}


@contextlib.contextmanager
def reachable_folder() -> Iterator[DataFolder]:
    """A data folder that other users can reach, unlike those of pytest."""
    root = Path("/tmp") / f"kvit-test-{os.getpid()}-{time.monotonic_ns()}"
    folder = DataFolder(root)
    folder.create()
    try:
        yield folder
    finally:
        server.stop(folder)
        shutil.rmtree(root)


def test_children_of_a_killed_server_that_never_end_are_ended(folder: DataFolder) -> None:
    """One of them waits for a lock whose holder died with the server; here it is stopped."""
    use(folder)
    died = postmaster_pid(folder)
    assert died is not None
    assert postmaster.orphans(folder) == []  # they have a server
    [stuck] = [
        int(pid)
        for pid in Path(f"/proc/{died}/task/{died}/children").read_text().split()
        if b"walwriter" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(stuck, signal.SIGSTOP)
    kill(died)
    until(lambda: postmaster.orphans(folder) == [stuck])
    until(lambda: postmaster_pid(folder) not in (None, died) and postmaster.is_ready(folder))
    assert not is_alive(stuck)
    assert query(folder, "SELECT 1") == [(1,)]


def test_a_full_disk_loses_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=250m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs root and the right to mount")
    folder = DataFolder(disk / "kvit")
    try:
        use(folder)
        query(folder, "CREATE TABLE t (i int, filler text)")
        query(folder, "ALTER TABLE t ALTER filler SET STORAGE EXTERNAL")  # not compressed
        committed = fill(folder)
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as out:
            while True:
                out.write(bytes(1024 * 1024))
        with contextlib.suppress(ProcessLookupError, AssertionError):  # it may have ended itself
            kill(postmaster_pid(folder))
        until(lambda: server.guard_pid(folder) is None)
        with pytest.raises(server.NoServer) as refusal:
            server.ensure(folder)
        assert refusal.value.code == "disk_full"
        assert str(folder.reserve) in refusal.value.text("ru")
        folder.reserve.unlink()
        use(folder)
        assert query(folder, "SELECT count(*) FROM t") == [(committed,)]
        server.stop(folder)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_with_no_room_for_a_log_is_named_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path)
    folder.log.touch()
    nothing = SimpleNamespace(free=4096)
    monkeypatch.setattr(server.shutil, "disk_usage", lambda _path: nothing)
    assert server._why_not(folder, 0).code == "disk_full_to_the_end"
    folder.reserve.touch()
    assert server._why_not(folder, 0).code == "disk_full"
    nothing.free = 2**30
    assert server._why_not(folder, 0).code == "did_not_start"


def fill(folder: DataFolder) -> int:
    """Insert until the disk is full; return how many rows were acknowledged."""
    rows = 0
    with contextlib.suppress(psycopg.Error):
        while True:
            query(folder, "INSERT INTO t SELECT i, repeat('x', 7000) FROM generate_series(1,200) i")
            rows += 200
    return rows


def test_a_page_with_a_flipped_bit_is_refused_and_not_read(folder: DataFolder) -> None:
    use(folder)
    query(folder, "CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i")
    [(path,)] = query(folder, "SELECT pg_relation_filepath('t')")
    server.stop(folder)
    table = folder.cluster / path
    page = bytearray(table.read_bytes())
    page[8000] ^= 1  # within a row of the first page
    table.write_bytes(page)
    use(folder)
    with pytest.raises(psycopg.errors.DataCorrupted, match="invalid page in block 0"):
        query(folder, "SELECT sum(i) FROM t")


def test_status_is_one_object(new_folder: DataFolder) -> None:
    environment = {**os.environ, "KVIT_DATA": str(new_folder.root), "KVIT_LANG": "en"}
    words = [sys.executable, "-P", "-m", "kvit", "db"]

    def db(*rest: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*words, *rest], env=environment, capture_output=True, text=True, check=False
        )

    assert json.loads(db("status", "--json").stdout)["state"] == "not_running"
    assert db("start").returncode == 0
    found = json.loads(db("status", "--json").stdout)
    assert (found["state"], found["stays"], found["fsync"]) == ("running", True, "on")
    assert db("shell", "-c", "CREATE TABLE t (i int)").returncode == 1
    assert db("shell", "--write", "-c", "CREATE TABLE t (i int)").returncode == 0
    assert db("stop").stdout == "PostgreSQL is stopped.\n"
    assert db("stop").stdout == "PostgreSQL was not running.\n"
    assert db("status").returncode == 1
