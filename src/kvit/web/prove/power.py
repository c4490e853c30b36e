"""R5: PostgreSQL and all its processes are killed by SIGKILL under four writers.

One writer takes usage in, one keeps usage in the log of bulk intake and takes it up, two approve
drafts, each writing down what was acknowledged. A writer whose connection breaks tries the same
again until it is answered; the one of bulk intake dies with the server, as on one machine, and is
started anew. Afterwards everything that was acknowledged stands, once, and what was not stands
whole or not at all. A cluster of our own, with
fsync as in production and no guard, so that recovery can be timed: from the start of the server to
the first answer.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import psycopg

from kvit.metering.rows import BulkIn
from kvit.platform import durable_log, files
from kvit.platform.connection import conninfo
from kvit.platform.db import roles
from kvit.platform.db.roles import APP_ROLE, Access
from kvit.platform.embedded import server
from kvit.platform.embedded.account import account_of
from kvit.platform.embedded.binaries import program
from kvit.platform.embedded.folder import DataFolder
from kvit.platform.embedded.postmaster import is_ready
from kvit.web.prove.ground import close, point
from kvit.web.prove.outcome import Part, chance_of

DRAFTS = 40  # for a kill: more than two writers approve meanwhile
INTAKES, APPROVERS = 2, 2
BULK = 1  # the place of the writer that keeps its events in the log
TAKEN_UP = 5  # batches, at once
A_BATCH = 5  # events
PAUSE_S = 0.05
PACE_S = 0.015  # of a writer: half of what it takes to write
PATIENCE_S = 120.0


def kill_servers(*, seed: int, kills: int) -> Part:
    """Kill the server so many times; the moments are drawn by the seed."""
    part, chance, before = Part(), chance_of(seed, "servers"), roles.access()
    store = files.folder()
    root = Path(tempfile.mkdtemp(prefix="kvit-power-"))
    folder = DataFolder(root / "data")
    writers: list[int] = []
    recoveries: list[int] = []
    running: subprocess.Popen[bytes] | None = None
    try:
        access = server.ensure(folder)
        fill(access, kills * DRAFTS)
        server.stop(folder)
        running, _ = started(folder, access)
        files.use(root / "files")
        writers = [writer(access, root / f"acks-{n}", n) for n in range(INTAKES + APPROVERS)]
        for _ in range(kills):
            time.sleep(chance.uniform(0.1, 0.5))
            kill_all(running)
            os.kill(writers[BULK], signal.SIGKILL)
            os.waitpid(writers[BULK], 0)
            running, took = started(folder, access)
            recoveries.append(round(took * 1000))
            writers[BULK] = writer(access, root / f"acks-{BULK}", BULK)
        part.figures["server kills"] = len(recoveries)
        part.figures["median recovery, ms"] = sorted(recoveries)[len(recoveries) // 2]
        part.figures["longest recovery, ms"] = max(recoveries)
        time.sleep(PAUSE_S)
        ended, writers = end(writers), []
        part.violations += [*ended, *lost(root, part)]
    finally:
        end(writers)
        point(before)
        files.use(store)
        if running is not None:
            running.send_signal(signal.SIGINT)
            running.wait()
        server.stop(folder)
        shutil.rmtree(root, ignore_errors=True)
    return part


def fill(access: Access, drafts: int) -> None:
    from kvit.platform.migrate import migrate_as_owner
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    point(access)
    migrate_as_owner()
    company.make(drafts, approval=True, events=0)
    with tenant_scope(company.tenant().id):
        company.bill(chunk=500)
    close()


def started(folder: DataFolder, access: Access) -> "tuple[subprocess.Popen[bytes], float]":
    """Start the server and wait for its first answer; return how long that took."""
    began = time.monotonic()
    while True:
        running = launched(folder)
        # It ends at once while a child of the killed one still holds its memory.
        while running.poll() is None:
            if is_ready(folder) and _answers(access):
                return running, time.monotonic() - began
            time.sleep(0.01)
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError(f"PostgreSQL does not start: status {running.returncode}")
        time.sleep(PAUSE_S)


def launched(folder: DataFolder) -> "subprocess.Popen[bytes]":
    """Start the server, and wait for nothing."""
    words: list[str | Path] = [
        program("postgres"), "-D", folder.cluster, "-c", "listen_addresses=",
        "-c", f"unix_socket_directories={folder.new_socket_folder()}",
        "-c", "unix_socket_permissions=0700",
    ]  # fmt: skip
    (folder.cluster / "postmaster.pid").unlink(missing_ok=True)
    return account_of(folder).popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _answers(access: Access) -> bool:
    try:
        psycopg.connect(conninfo(access, APP_ROLE), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def kill_all(running: "subprocess.Popen[bytes]") -> None:
    """Kill the server and each of its processes, as a power cut does."""
    children = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if _parent(pid) == running.pid]  # fmt: skip
    for pid in (running.pid, *children):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    running.wait()


def _parent(pid: int) -> int:
    try:
        said = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has ended meanwhile
        return 0
    return int(said.rpartition(")")[2].split()[1])


def writer(access: Access, acks: Path, place: int) -> int:
    """Start a writer that goes on until it is told to end; return its pid."""
    close()
    # It may be told to end before it listens: what comes earlier waits until it does.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return child
    status, asked = 1, []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        point(access)
        acked = len(acks.read_text().split()) if acks.exists() else 0
        with acks.open("a", buffering=1) as told:
            write = _keep if place == BULK else _take_in if place < INTAKES else _approve
            write(place, partial(_acknowledged, told), lambda: bool(asked), acked)
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def _acknowledged(told: IO[str], what: str) -> None:
    """Note it, and leave the processors to the others for a moment."""
    told.write(f"{what}\n")
    time.sleep(PACE_S)


Tell = Callable[[str], Any]
Ended = Callable[[], bool]


def _take_in(place: int, tell: Tell, ended: Ended, acked: int) -> None:
    from kvit.metering import services as metering
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    tenant = _patiently(lambda: company.tenant().id)
    batch = acked
    with tenant_scope(tenant):
        while not ended():
            first = batch * A_BATCH
            rows = [company.event(place, n) for n in range(first, first + A_BATCH)]
            taken = partial(metering.ingest, rows, source=f"w-{place}", actor=company.ACTOR)
            _patiently(partial(taken, now=company.LATER))
            tell(str(batch))
            batch += 1


def _keep(place: int, tell: Tell, ended: Ended, acked: int) -> None:
    """Keep usage in the log, and look into it now and then; begin after what was acknowledged."""
    from kvit.metering import services as metering
    from kvit.platform.tenancy import tenant_scope
    from kvit.web import sealing
    from kvit.web.prove import company, flows

    tenant = _patiently(lambda: company.tenant().id)
    batch = acked
    with tenant_scope(tenant):
        while not ended():
            first = batch * A_BATCH
            rows = [company.event(place, n) for n in range(first, first + A_BATCH)]
            asked = [BulkIn(flows.body_of(rows), len(rows), f"w-{place}")]
            metering.keep_bulk(asked, actor=company.ACTOR, now=company.LATER)
            tell(str(batch))
            batch += 1
            if batch % TAKEN_UP == 0:
                durable_log.writer().close()
                _patiently(partial(sealing.take_up_tenant, now=company.LATER))


def _approve(place: int, tell: Tell, ended: Ended, acked: int) -> None:
    from kvit.invoicing import services as invoicing
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    tenant = _patiently(lambda: company.tenant().id)
    mine = "SELECT id FROM invoicing_invoice WHERE status = 'draft' ORDER BY id"
    with tenant_scope(tenant):
        keys: list[UUID] = [key for (key,) in _patiently(lambda: company.ask(mine))]
        for key in keys[place % APPROVERS :: APPROVERS]:
            if ended():
                return
            issue = partial(invoicing.approve, [key], approver=company.ACTOR, now=company.LATER)
            # No draft any more: it went through, and the answer was lost.
            with suppress(invoicing.InvoiceNotDraft):
                _patiently(issue)
            tell(str(key))


def _patiently(act: Callable[[], Any]) -> Any:
    """Try again until the server answers."""
    from django.db import InterfaceError, OperationalError, connection

    while True:
        try:
            return act()
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(PAUSE_S)


def end(writers: Sequence[int]) -> list[str]:
    """Let writers end, and return what is wrong: one ended before, by an error of its own."""
    for pid in writers:
        os.kill(pid, signal.SIGTERM)
    ended = {place: os.waitpid(pid, 0)[1] for place, pid in enumerate(writers)}
    return [f"writer {place} ended with {status}" for place, status in ended.items() if status]


def lost(root: Path, part: Part) -> list[str]:
    """Compare what was acknowledged with what stands."""
    from kvit.platform.tenancy import tenant_scope
    from kvit.web import sealing
    from kvit.web.prove import company

    found: list[str] = []
    with tenant_scope(company.tenant().id):
        sealing.take_up_tenant(now=company.LATER)
        for place in range(INTAKES):
            acked = len((root / f"acks-{place}").read_text().split())
            kept = company.number(
                "SELECT count(*) FROM metering_usageevent WHERE source = %(source)s",
                source=f"w-{place}",
            )
            part.figures["acknowledged"] += acked
            # One batch more may stand: committed, and the answer was lost.
            if kept not in (acked * A_BATCH, (acked + 1) * A_BATCH):
                found.append(f"writer {place}: {kept} events stand, {acked * A_BATCH} were told")
        for place in range(INTAKES, INTAKES + APPROVERS):
            keys = (root / f"acks-{place}").read_text().split()
            part.figures["acknowledged"] += len(keys)
            issued = company.number(
                "SELECT count(*) FROM invoicing_invoice WHERE status = 'issued'"
                " AND id = ANY(%(keys)s::uuid[])",
                keys=keys,
            )
            if issued != len(keys):
                found.append(f"writer {place}: {issued} of {len(keys)} acknowledged are issued")
        found += company.gaps()
    return [*found, *company.broken()]
