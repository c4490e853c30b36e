"""S-128: any role may be stopped, killed or doubled in mid-work; the others go on, and it comes to
the same.

An installation of its own, with the processes that `./kvit run ROLE` starts: two web servers, and
intake, rating, invoicing and a worker, a second of whom joins later. Clients send usage to either
web server, some of it to be kept in bulk, and send it again until they are answered. Beside them
processes of web and of intake end, by SIGKILL and by SIGTERM in turns, and another one is started
for each; a role ends again when all are there again. Once all usage was looked into, runs are
ordered, a month after the other, and the other roles end beside these, each while its jobs are
being done. What stands then is what one process comes to that nobody disturbs.
"""

import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from django.conf import settings

from kvit.metering.rows import EventIn
from kvit.platform import files
from kvit.platform.db import roles
from kvit.platform.embedded import server
from kvit.platform.embedded.folder import DataFolder
from kvit.platform.leases import SPACE
from kvit.web.prove.flows import body_of
from kvit.web.prove.ground import close, point
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered
from kvit.web.prove.planted import attribute
from kvit.web.secret_key import NAME

PAYERS = 200
EACH = 4  # events of a payer that are sent
A_REQUEST = 20  # events
BESIDE_USAGE = ("web", "ingest")
BESIDE_A_RUN = ("rating", "invoicing", "worker")
ROLES = BESIDE_USAGE + BESIDE_A_RUN
ENDS = (signal.SIGKILL, signal.SIGTERM)
PAUSE_S = 0.2
LATEST_S = 0.5  # after all are at work a process ends
SOONEST_S = 0.1  # or after a job of its role was seen to be done
PATIENCE_S = 240.0
_DOCUMENTS = """
    SELECT billed_in, kind, status, customer_id, net_minor, vat_minor, total_minor
    FROM invoicing_invoice"""
_WORK = "SELECT count(*) FROM invoicing_runorder WHERE status NOT IN ('done', 'failed', 'stopped')"
_DOING = """
    SELECT count(*) FROM procrastinate_jobs
    WHERE status = 'doing' AND (%(role)s = 'worker' OR queue_name = %(role)s)"""
_WITH_THE_DEAD = f"""
    SELECT count(*) FROM procrastinate_jobs
    WHERE status = 'doing' AND worker_id NOT IN (
        SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = {SPACE})"""
_WORKERS = f"""
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = {SPACE} AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
Documents = Counter[tuple[Any, ...]]


@dataclass(slots=True)
class _House:
    """The processes of an installation, by role; a web server keeps its port."""

    data: Path
    log: Path
    ports: Sequence[int]
    planted: str = ""  # a bug in each of them: `planted.__main__`
    running: "dict[tuple[str, int], subprocess.Popen[bytes]]" = field(default_factory=dict)

    def start(self, role: str, place: int) -> None:
        kvit = [f"{__package__}.planted", self.planted] if self.planted else ["kvit"]
        words = [sys.executable, "-P", "-m", *kvit, "run", role, "--log", "warning"]
        words += ["--port", str(self.ports[place])] if role == "web" else []
        with self.log.open("ab") as log:
            self.running[role, place] = subprocess.Popen(
                words, env={**os.environ, "KVIT_DATA": str(self.data)}, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def end(self, role: str, place: int, by: signal.Signals) -> int:
        """End a process, and its children with it; return its status."""
        self.tell(role, place, by)
        return self.wait(role, place)

    def tell(self, role: str, place: int, by: signal.Signals) -> None:
        """Send a signal: once, for a second one does not let a worker end what it is at."""
        process = self.running[role, place]
        if by == signal.SIGKILL:
            os.killpg(process.pid, by)
        else:
            process.send_signal(by)

    def wait(self, role: str, place: int) -> int:
        process = self.running.pop((role, place))
        try:
            return process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()


def prove(*, seed: int, size: int, planted: str = "", patience_s: float = PATIENCE_S) -> Outcome:
    """End `size` processes; the seed draws when, and which usage is sent in bulk."""
    part, chance, before, store = Part(), chance_of(seed, "roles"), roles.access(), files.folder()
    root = Path(tempfile.mkdtemp(prefix="kvit-roles-"))
    folder = DataFolder(root / "data")
    try:
        point(server.ensure(folder))
        files.use(folder.files)
        # They sign their logs by the key that this process reads them with.
        (folder.root / NAME).write_text(settings.SECRET_KEY)
        key, wanted = _filled(months=size - size // 2)
        with (
            _house(root, planted) as house,
            attribute(sys.modules[__name__], "PATIENCE_S", patience_s),
        ):
            try:
                _disturbed(house, chance, part, key, size)
            except TimeoutError as error:
                part.violations.append(str(error))
            part.violations += _stopped(house)
        part.violations += _checked(wanted)
    finally:
        point(before)
        files.use(store)
        # What is kept open under the hash of its content lies in the folder that goes.
        import_module("kvit.metering._sealed")._opened.cache_clear()
        server.stop(folder)
        shutil.rmtree(root, ignore_errors=True)
    return gathered("roles", [part], seed=seed, size=size)


def _filled(*, months: int) -> tuple[str, Documents]:
    """Make the company; return a key that may send usage, and the bills of one calm process."""
    from django.db import transaction

    from kvit.metering import services as metering
    from kvit.parties.services import create_key
    from kvit.platform.migrate import migrate_as_owner
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    migrate_as_owner()
    company.make(PAYERS, events=1)
    with tenant_scope(company.tenant().id):
        made = create_key(
            name="prove", rights=("usage.write",), granter=frozenset({"usage.write"}),
            actor=company.ACTOR, now=datetime.now(UTC),
        )  # fmt: skip
        with transaction.atomic():
            metering.ingest(_usage(), source="api", actor=company.ACTOR, now=company.LATER)
            for place in range(months):
                company.bill(company.month(place), chunk=500)
            wanted = Counter(company.ask(_DOCUMENTS))
            transaction.set_rollback(True)
    close()
    return made.key, wanted


def _usage() -> list[EventIn]:
    from kvit.web.prove import company

    return [company.event(n, 1 + k) for k in range(EACH) for n in range(PAYERS)]


@contextmanager
def _house(root: Path, planted: str) -> Iterator[_House]:
    with socket.socket() as one, socket.socket() as two:
        for probe in (one, two):
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in (one, two)]
    house = _House(root / "data", root / "log", ports, planted)
    try:
        yield house
    finally:
        for role, place in list(house.running):
            house.end(role, place, signal.SIGKILL)


def _disturbed(house: _House, chance: random.Random, part: Part, key: str, size: int) -> None:
    """Send the usage and bill months, while processes end; a half of them beside either."""
    for role in ROLES:
        house.start(role, 0)
    house.start("web", 1)
    client = threading.Thread(target=_send, args=(house.ports, key, chance.random(), part))
    client.start()
    turns = islice(zip(cycle(BESIDE_USAGE), cycle(ENDS), strict=False), size // 2)
    for place, (role, by) in enumerate(turns):
        if place % len(BESIDE_USAGE) == 0:
            _await("all are at work", lambda: _is_whole(house))
        time.sleep(chance.uniform(0, LATEST_S))
        _end_one(house, role, by, chance, part)
    client.join()
    _await("usage is looked into", lambda: not _is_unread())
    for role in ROLES[1:]:  # doubled
        house.start(role, 1)
    turns = islice(zip(cycle(BESIDE_A_RUN), cycle(ENDS), strict=False), size - size // 2)
    for place, (role, by) in enumerate(turns):
        if place % len(BESIDE_A_RUN) == 0:
            _await("all are at work", lambda: _is_whole(house))
        _order(place)
        part.figures["months billed"] += 1
        _await(f"{role} has a job", partial(_is_doing_or_over, role))
        part.figures["beside their jobs"] += _is_doing(role)
        time.sleep(chance.uniform(0, SOONEST_S))
        _end_one(house, role, by, chance, part)
        _await("a month is billed", lambda: not _is_at_work())
    _await("what the dead were at is taken up", lambda: not _is_with_the_dead())


def _await(what: str, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(PAUSE_S)


def _end_one(
    house: _House, role: str, by: signal.Signals, chance: random.Random, part: Part
) -> None:
    """End a process, and start another one for it."""
    place = chance.choice([place for one, place in house.running if one == role])
    status = house.end(role, place, by)
    house.start(role, place)
    part.figures["ended"] += 1
    part.figures[f"of {role}"] += 1
    if by == signal.SIGTERM and status:
        part.violations.append(f"{role} ended with {status} when it was told to")


def _send(ports: Sequence[int], key: str, chance: float, part: Part) -> None:
    """Send all usage, a part of it in bulk, each request until it is answered."""
    drawn, usage = random.Random(chance), _usage()
    until = time.monotonic() + PATIENCE_S
    for at in range(0, len(usage), A_REQUEST):
        path = drawn.choice(["/api/v1/events", "/api/v1/events/bulk"])
        body = body_of(usage[at : at + A_REQUEST])
        for n in count(at // A_REQUEST):
            status = _asked(ports[n % len(ports)], f"{path}?source=api", key, body)
            if status in (200, 201, 202):
                break
            if status not in (0, 500, 502, 503) or time.monotonic() > until:
                part.violations.append(f"{path} answered {status}")
                return
            part.figures["sent again"] += 1
            time.sleep(PAUSE_S)
        part.figures["requests"] += 1


def _asked(
    port: int, path: str, key: str = "", body: bytes | None = None, *, method: str = "POST"
) -> int:
    """Return the status of an answer; 0 where there was none."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {
        "Authorization": f"Bearer {key}", "Content-Type": "application/json", "Host": "localhost",
    }  # fmt: skip
    try:
        line.request(method, path, body, headers)
        return line.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        line.close()


def _in_scope(act: Callable[[], object]) -> object:
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    with tenant_scope(company.tenant().id):
        return act()


def _is_unread() -> bool:
    from kvit.metering import queries

    return bool(_in_scope(lambda: queries.unread().requests))


def _is_at_work() -> bool:
    from kvit.web.prove import company

    return bool(_in_scope(lambda: company.number(_WORK)))


def _is_doing(role: str) -> bool:
    from kvit.web.prove import company

    return bool(_in_scope(lambda: company.number(_DOING, role=role)))


def _is_doing_or_over(role: str) -> bool:
    return _is_doing(role) or not _is_at_work()


def _is_with_the_dead() -> bool:
    from kvit.web.prove import company

    return bool(_in_scope(lambda: company.number(_WITH_THE_DEAD)))


def _is_whole(house: _House) -> bool:
    """Whether all processes are at work: each worker holds a lock (`platform.leases`)."""
    from kvit.web.prove import company

    workers = sum(role != "web" for role, _ in house.running)
    return _in_scope(lambda: company.number(_WORKERS)) == workers and all(
        _asked(port, "/readyz", method="GET") == 200 for port in house.ports
    )


def _order(place: int) -> None:
    from kvit.invoicing import services as invoicing
    from kvit.web.prove import company

    month = company.month(place)
    now = month.end_instant(company.ZONE)
    _in_scope(
        lambda: invoicing.order_run(month.start, action="bill", author=company.ACTOR, now=now)
    )


def _stopped(house: _House) -> list[str]:
    """Tell all to end, and say which did not end well."""
    told = list(house.running)
    for one in told:
        house.tell(*one, signal.SIGTERM)
    found = {one: house.wait(*one) for one in told}
    return [
        f"{role} ended with {status} when it was told to"
        for (role, _), status in found.items()
        if status not in (0, -signal.SIGTERM)  # the last one may not listen for it yet
    ]


def _checked(wanted: Documents) -> Iterator[str]:
    from kvit.platform import jobs
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company
    from kvit.web.prove.kill import left_undone

    jobs.work_once()  # what was left a moment before the end
    yield from left_undone()
    with tenant_scope(company.tenant().id):
        sent = company.number("SELECT count(*) FROM metering_usageevent WHERE source = 'api'")
        if sent != PAYERS * EACH:
            yield f"{sent} events stand, {PAYERS * EACH} were sent"
        found = Counter(company.ask(_DOCUMENTS))
        yield from (f"too much: {one}" for one in list(found - wanted)[:3])
        yield from (f"missing: {one}" for one in list(wanted - found)[:3])
        yield from company.gaps()
    yield from company.broken()
