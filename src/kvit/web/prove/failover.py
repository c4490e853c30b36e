"""R19: the server is lost for good, its standby is promoted, and what was told stands there.

A server of our own streams to a second one and answers a commit once both have flushed it
(`synchronous_commit = on`, `synchronous_standby_names = '*'`). Under the four writers of `power`
the standby is cut off for a moment, then the first server and all its processes are killed, and the
second is promoted; the writers find it by themselves (libpq's list of hosts). It is the first of
the next round, with a new standby. In the end everything that was acknowledged stands, once.

Both servers share a machine: what is tried is what is answered when, and not a network. Who notices
that a server is lost, and orders the promotion, is not ours: here it is ordered at once.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from kvit.platform import files
from kvit.platform.db import roles
from kvit.platform.embedded import server
from kvit.platform.embedded.account import account_of
from kvit.platform.embedded.binaries import program
from kvit.platform.embedded.cluster import SUPERUSER
from kvit.platform.embedded.folder import DataFolder
from kvit.web.prove import power
from kvit.web.prove.ground import point
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered

DRAFTS = 150  # for a failover
CUT_OFF_S = 0.6  # that the standby hears nothing before the server is lost, at most
ENOUGH = 4  # acknowledged meanwhile: the server is lost at once
STANDBYS = "*"  # that a commit waits for
PATIENCE_S = 60.0
PAUSE_S = 0.02


@dataclass(slots=True)
class _Server:
    folder: DataFolder
    running: "subprocess.Popen[bytes]"

    def asked(self, words: str) -> list[tuple[object, ...]]:
        """Ask as the superuser."""
        with psycopg.connect(server.superuser_conninfo(self.folder), autocommit=True) as db:
            cursor = db.execute(words)
            return cursor.fetchall() if cursor.description else []


def prove(*, seed: int, size: int) -> Outcome:
    """Lose `size` servers; the moments are drawn by the seed."""
    part, chance, before = Part(), chance_of(seed, "failover"), roles.access()
    store = files.folder()
    root = Path(tempfile.mkdtemp(prefix="kvit-failover-"))
    folders = [DataFolder(root / str(place)) for place in range(size + 1)]
    places = range(power.INTAKES + power.APPROVERS)
    writers: list[int] = []
    alive: list[_Server] = []
    promotions: list[float] = []
    try:
        access = server.ensure(folders[0])
        power.fill(access, size * DRAFTS)
        server.stop(folders[0])
        for folder in folders[1:]:
            folder.create()
            shutil.copy(folders[0].root / "secrets.json", folder.root / "secrets.json")
        hosts = ",".join(str(folder.new_socket_folder()) for folder in folders)
        access = replace(access, host=hosts, options={"target_session_attrs": "read-write"})
        files.use(root / "files")
        alive.append(_Server(folders[0], power.started(folders[0], access)[0]))
        for folder in folders[1:]:
            alive.append(_standby(alive[0], folder))
            if not writers:
                writers = [power.writer(access, root / f"acks-{n}", n) for n in places]
            time.sleep(chance.uniform(0.2, 0.5))
            acks = [root / f"acks-{n}" for n in places if n != power.BULK]
            promotions.append(_lose(alive[0], alive[1], acks))
            del alive[0]
        time.sleep(0.2)  # what is written to the last one counts as well
        ended, writers = power.end(writers), []
        point(access)
        part.violations += [*ended, *power.lost(root, part)]
    finally:
        power.end(writers)
        point(before)
        files.use(store)
        for one in alive:
            power.kill_all(one.running)
        server.stop(folders[0])
        shutil.rmtree(root, ignore_errors=True)
    part.figures["servers lost"] = len(promotions)
    part.figures["longest promotion, ms"] = round(max(promotions) * 1000)
    return gathered("failover", [part], seed=seed, size=size)


def _standby(first: _Server, folder: DataFolder) -> _Server:
    """Make a standby of a server, and let commits wait for it from now on."""
    account = account_of(folder)
    copied = account.popen(
        [program("pg_basebackup"), "-D", folder.cluster, "-h", first.folder.new_socket_folder(),
         "-U", SUPERUSER, "-c", "fast", "-X", "stream", "-R"],
        env={**os.environ, "PGPASSWORD": folder.secret(SUPERUSER)}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if copied.wait():
        raise RuntimeError(f"pg_basebackup ended with status {copied.returncode}")
    made = _Server(folder, power.launched(folder))
    first.asked(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBYS}'")
    first.asked("SELECT pg_reload_conf()")
    wanted = "sync" if STANDBYS else "async"
    _until(
        lambda: first.asked(
            f"SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"
            f" AND sync_state = '{wanted}'"
        )
    )
    return made


def _lose(first: _Server, standby: _Server, acks: Sequence[Path]) -> float:
    """Cut the standby off, kill the server, promote the standby; return how long that took.

    While it is cut off nothing may be acknowledged; what is would be lost, and is waited for.
    """
    standby.asked("ALTER SYSTEM SET primary_conninfo = ''")
    standby.asked("SELECT pg_reload_conf()")
    _until(lambda: not standby.asked("SELECT 1 FROM pg_stat_wal_receiver"))
    before, began = _told(acks), time.monotonic()
    while _told(acks) < before + ENOUGH and time.monotonic() - began < CUT_OFF_S:
        time.sleep(PAUSE_S)
    power.kill_all(first.running)
    began = time.monotonic()
    standby.asked("SELECT pg_promote(true, 60)")
    return time.monotonic() - began


def _told(acks: Sequence[Path]) -> int:
    return sum(len(one.read_text().split()) for one in acks if one.exists())


def _until(holds: Callable[[], object]) -> None:
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError("the standby does not follow")
        time.sleep(PAUSE_S)
