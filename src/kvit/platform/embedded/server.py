"""Starting, sharing and stopping the embedded server.

It is one server a data folder, shared by all commands. Three lock files, all let go of by the
kernel when their holder ends in whatever way:

    users.lock   shared: by every process that uses the server, for as long as it lives
    start.lock   alone: by the one process that makes the cluster or starts the server
    guard.lock   alone: by the guard; its pid is inside

The server outlives the command that started it by a linger (a minute), so that the next command
finds it warm; then the guard stops it, so that a demo leaves nothing behind. `kvit db start` asks
it to stay for good. Waiting for a start has no time limit: recovery after a crash takes what it
takes, and is told about.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

import kvit
from kvit.platform import durability, provision
from kvit.platform.db.roles import APP_ROLE, OWNER_ROLE, Access
from kvit.platform.embedded.account import account_of
from kvit.platform.embedded.cluster import SUPERUSER, make_cluster
from kvit.platform.embedded.folder import DataFolder
from kvit.platform.embedded.postmaster import is_alive, is_ready, postmaster_pid
from kvit.platform.failures import Failure

PORT = 5432  # a part of the socket's name; no TCP port is opened
DATABASE = "kvit"
LINGER_S = 60.0
FULL_BYTES = 2**18  # left on a disk on which no server starts
LOG_BYTES = 10 * 1024 * 1024
TELL_AFTER_S = 3.0
PREPARED = "1"  # raise it when `provision` makes something new

WORDS = {
    "making": (
        "Создаю базу данных в {path}…",
        "Making the database in {path}…",
    ),
    "waiting": (
        "PostgreSQL восстанавливается после сбоя, прошло {seconds} с…",
        "PostgreSQL is recovering after a crash, {seconds} s so far…",
    ),
    "did_not_start": (
        "PostgreSQL не запустилась: {reason}. Подробности: {log}",
        "PostgreSQL did not start: {reason}. Details: {log}",
    ),
    "disk_full": (
        "На диске с {path} нет места. Освободите его; если нечего удалить, удалите {reserve}:"
        " этот запас хранился для такого случая. Затем запустите команду снова.",
        "The disk of {path} is full. Free some space; if there is nothing to delete, delete"
        " {reserve}, which was kept for this. Then run the command again.",
    ),
    "disk_full_to_the_end": (
        "На диске с {path} нет места. Освободите его и запустите команду снова.",
        "The disk of {path} is full. Free some space and run the command again.",
    ),
    "password_refused": (
        "PostgreSQL в {path} не принимает пароль из secrets.json: файл от другой папки данных?",
        "PostgreSQL in {path} refuses the password in secrets.json: is it another folder's file?",
    ),
    "will_not_stop": (
        "PostgreSQL (процесс {pid}) не остановилась за {seconds} с.",
        "PostgreSQL (process {pid}) did not stop in {seconds} s.",
    ),
}
Report = Callable[..., None]
"""Told what goes on: `report(key of WORDS, **params)`."""


class NoServer(Failure):
    """The server did not start, or did not stop."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Status:
    """What `kvit db status` tells."""

    pid: int | None
    guard_pid: int | None
    ready: bool
    stays: bool
    socket: Path | None


_used: dict[tuple[int, int], int] = {}  # (device, inode) of a folder → our descriptor of users.lock


def silent(key: str, **params: Any) -> None:
    """A report that tells nobody."""


def ensure(
    folder: DataFolder,
    *,
    linger_s: float = LINGER_S,
    for_tests: bool = False,
    report: Report = silent,
) -> Access:
    """Return how to reach the server, made and started first where need be.

    From here to its end this process counts as a user of the server.

    Args:
        for_tests: without fsync, and with an owner who may make databases. For folders that hold
            nothing but tests: a power cut may destroy them.

    Raises:
        NoServer: it does not start; the text says why.
        Failure: of folder, account, cluster or provision.
        UnsafeDurability: what was committed would not be safe.
    """
    folder.create()
    _become_user(folder)
    access = _reach(folder, for_tests)
    if access is None:
        with folder.locked("start"):
            access = _reach(folder, for_tests) or _start(folder, linger_s, for_tests, report)
    return access


def stop(folder: DataFolder, *, report: Report = silent, patience_s: float = 600) -> bool:
    """Stop the server whoever uses it; return whether there was one.

    Raises:
        NoServer: it is still there after `patience_s`.
    """
    if not folder.root.exists():
        return False
    with folder.locked("start"):
        folder.keep.unlink(missing_ok=True)
        guard, server = guard_pid(folder), postmaster_pid(folder)
        if guard is not None:
            os.kill(guard, signal.SIGTERM)
        elif server is not None:
            os.kill(server, signal.SIGINT)
        began = time.monotonic()
        while guard_pid(folder) is not None or (server is not None and is_alive(server)):
            if time.monotonic() - began > patience_s:
                raise NoServer("will_not_stop", pid=server, seconds=round(patience_s))
            time.sleep(0.05)
        return server is not None


def status(folder: DataFolder) -> Status:
    """Look at the server without touching it."""
    pid = postmaster_pid(folder)
    return Status(
        pid=pid,
        guard_pid=guard_pid(folder),
        ready=pid is not None and is_ready(folder),
        stays=folder.keep.exists(),
        socket=folder.socket_folder() if pid is not None else None,
    )


def guard_pid(folder: DataFolder) -> int | None:
    """Return the pid of the guard, None when nobody guards. Only a held lock is believed."""
    if not (folder.root / "guard.lock").exists():
        return None
    descriptor = folder.open_lock("guard")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 20, 0).strip()
        return int(text) if text else None
    else:
        return None
    finally:
        os.close(descriptor)


def superuser_conninfo(folder: DataFolder) -> str:
    """Return the connection string of the cluster's superuser, for preparing and repairs."""
    return _conninfo(folder, SUPERUSER, folder.secret(SUPERUSER), "postgres")


def _become_user(folder: DataFolder) -> None:
    """Hold users.lock until this process ends; waits for a guard that is just stopping."""
    found = folder.root.stat()
    key = (found.st_dev, found.st_ino)
    if key not in _used:
        descriptor = folder.open_lock("users")
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _used[key] = descriptor


def _reach(folder: DataFolder, for_tests: bool) -> Access | None:
    """Return the access if a guarded, prepared server answers; None if there is work to do."""
    prepared = folder.prepared
    if not prepared.exists() or prepared.read_text() != PREPARED or guard_pid(folder) is None:
        return None
    access = access_of(folder)
    try:
        with psycopg.connect(_conninfo(folder, APP_ROLE, access.app_password)) as connection:
            if not for_tests:
                durability.check(durability.read(connection))
    except psycopg.OperationalError:
        return None
    return access


def access_of(folder: DataFolder) -> Access:
    """Return how to reach the server of this folder, whether or not it runs."""
    return Access(
        host=str(folder.socket_folder() or folder.root / "run"),
        port=PORT,
        database=DATABASE,
        app_password=folder.secret(APP_ROLE),
        owner_password=folder.secret(OWNER_ROLE),
    )


def _start(folder: DataFolder, linger_s: float, for_tests: bool, report: Report) -> Access:
    """Make, start, prepare. The caller holds the start lock."""
    if not (folder.cluster / "PG_VERSION").exists():
        report("making", path=folder.root)
    make_cluster(folder, account_of(folder))
    since = _log_size(folder)
    guard = None if guard_pid(folder) else _start_guard(folder, linger_s, for_tests)
    _wait(folder, guard, since, report)
    if not folder.prepared.exists() or folder.prepared.read_text() != PREPARED:
        provision.prepare(
            superuser_conninfo(folder),
            database=DATABASE,
            owner_password=folder.secret(OWNER_ROLE),
            app_password=folder.secret(APP_ROLE),
            for_tests=for_tests,
        )
        folder.prepared.write_text(PREPARED)
        folder.give_to_owner(folder.prepared)
    folder.fill_reserve()
    access = access_of(folder)
    with psycopg.connect(_conninfo(folder, APP_ROLE, access.app_password)) as connection:
        if not for_tests:
            durability.check(durability.read(connection))
    return access


Guard = subprocess.Popen[bytes]


def _start_guard(folder: DataFolder, linger_s: float, for_tests: bool) -> Guard:
    """Start the guard as a process of its own: no terminal, no pipe of ours, another session."""
    if _log_size(folder) > LOG_BYTES:
        folder.log.replace(folder.log.with_suffix(".log.1"))
    source = str(Path(kvit.__file__).parent.parent)
    words = [sys.executable, "-P", "-m", "kvit.platform.embedded.guard"]
    words += [str(folder.root.resolve()), str(linger_s), *(["test"] if for_tests else [])]
    environment = {**os.environ, "PYTHONPATH": source, "LC_ALL": "C", "TZ": "UTC"}
    with open(os.open(folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
        guard = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    folder.give_to_owner(folder.log)
    return guard


def _wait(folder: DataFolder, guard: Guard | None, since: int, report: Report) -> None:
    """Wait until the server answers, for as long as a guard, ours or another's, is at it."""
    began = told = time.monotonic()
    password = folder.secret(SUPERUSER)
    while True:
        reason = ""
        if is_ready(folder):
            try:
                psycopg.connect(_conninfo(folder, SUPERUSER, password, "postgres")).close()
            except psycopg.OperationalError as error:
                reason = str(error)
            else:
                return
        if "password authentication failed" in reason:
            raise NoServer("password_refused", path=folder.root)
        if (guard.poll() is not None) if guard else (guard_pid(folder) is None):
            raise _why_not(folder, since)
        if time.monotonic() - told > TELL_AFTER_S:
            told = time.monotonic()
            report("waiting", seconds=round(told - began))
        time.sleep(0.02)


def _why_not(folder: DataFolder, since: int) -> NoServer:
    with folder.log.open("rb") as log:
        log.seek(min(since, _log_size(folder)))
        lines = log.read().decode(errors="replace").strip().splitlines()
    # The log lies there too: a disk that is quite full has no room for what it would say.
    is_full = shutil.disk_usage(folder.root).free < FULL_BYTES
    if is_full or any("No space left on device" in line for line in lines):
        if folder.reserve.exists():
            return NoServer("disk_full", path=folder.root, reserve=folder.reserve)
        return NoServer("disk_full_to_the_end", path=folder.root)
    telling = [line for line in lines if "kvit guard" not in line and "shut down" not in line]
    reason = " | ".join(line.strip() for line in telling[-3:]) or "?"
    return NoServer("did_not_start", reason=reason, log=folder.log)


def _log_size(folder: DataFolder) -> int:
    return folder.log.stat().st_size if folder.log.exists() else 0


def _conninfo(folder: DataFolder, user: str, password: str, database: str = DATABASE) -> str:
    return psycopg.conninfo.make_conninfo(
        host=str(folder.socket_folder() or folder.root / "run"),
        port=PORT,
        user=user,
        password=password,
        dbname=database,
        connect_timeout=10,
    )
