"""Events over HTTP, on the disk before the answer: a verdict at once, or later in bulk.

    ./kvit bench intake [--events 100000] [--rounds 2] [--json]

The sides take the same batches of 1, 100 and 1 000 events by 16 connections, and batches of one by
64 too, since many clients send those, in turns: Kvit's
`POST /events`, its `POST /events/bulk`, and a peer (`intake_peer.py`) of the same server and
decoder: `INSERT … ON CONFLICT DO NOTHING` row by row, and the limit, a batch a statement.
Afterwards what Kvit and the peer have stored is compared with the sums in plain integers; what
bulk mode has taken is taken up and compared too, and how fast that went is told. Batches of one are
a twentieth of the events.
"""

import argparse
import json
import os
import re
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time, sleep
from typing import Any

import psycopg
from intake_peer import TABLE, TOTAL
from measure import Line, Report, database_cpu_s, in_child, parser_of, tell, workplace

FEW, MANY = 16, 64  # connections
LOADS = ((1, FEW), (1, MANY), (100, FEW), (1_000, FEW))  # events of a batch, connections
SUBSCRIPTIONS = 2_000
PLAIN, LIMIT = "INSERT … ON CONFLICT", "a batch a statement"
SIMPLE, BULK = "kvit, verdicts at once", "kvit, in bulk"
WAYS = {
    PLAIN: "/",
    LIMIT: "/together",
    SIMPLE: "/api/v1/events?verdicts=faults",
    BULK: "/api/v1/events/bulk",
}
NOW = datetime(2026, 11, 1, tzinfo=UTC)
_LENGTH = re.compile(rb"content-length: *([0-9]+)")  # the server of all sides writes it so
_SUCCESS = (b"HTTP/1.1 200", b"HTTP/1.1 202")


@dataclass(slots=True)
class Took:
    """What a side took, in one or more rounds."""

    events: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    latencies: tuple[float, ...] = ()


def main() -> None:
    parser = parser_of(__doc__, events=100_000, rounds=1)
    args = parser.parse_args()
    if args.child:
        {"company": company, "peer": serve_peer, "take_up": take_up}[args.child]()
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    with workplace(), ExitStack() as ends:
        prepared = in_child("--child", "company")
        os.environ["BENCH_DATABASE"] = prepared["database"]
        os.environ["KVIT_API_BURST"] = os.environ["KVIT_API_PER_SECOND"] = "1000000"
        kvit = Server([sys.executable, "-P", "-m", "kvit", "run", "web", "--log", "warning",
                       "--port"], ends)  # fmt: skip
        # The table after Kvit's start: it works in no database with tables that it does not know.
        with psycopg.connect(prepared["database"]) as db:
            db.execute(TABLE)
        peer = Server([sys.executable, sys.argv[0], "--child", "peer", "--folder"], ends)
        report = run(args, kvit, peer, prepared["key"])
        report.show(as_json=args.json)


def run(args: argparse.Namespace, kvit: "Server", peer: "Server", key: str) -> Report:
    took = {(side, *shape): Took() for side in WAYS for shape in LOADS}
    sums, counts = dict.fromkeys(WAYS, 0), dict.fromkeys(WAYS, 0)
    numbers = iter(range(10**9))
    load(kvit, WAYS[SIMPLE], key, batches(numbers, 1, 5)[0], 1)  # all is loaded
    counts[SIMPLE], sums[SIMPLE] = 5, sum(value_of(n) for n in range(5))
    for _ in range(args.rounds):
        for size, connections in LOADS:
            events = args.events if size > 1 else args.events // 20
            for side, path in WAYS.items():
                server = peer if side in (PLAIN, LIMIT) else kvit
                bodies, total = batches(numbers, size, events // size)
                one = load(server, path, key, bodies, connections)
                known = took[side, size, connections]
                known.events += size * len(bodies)
                known.seconds += one.seconds
                known.cpu += one.cpu
                known.latencies += one.latencies
                counts[side] += size * len(bodies)
                sums[side] += total
    bodies, total = batches(numbers, 1, 200)
    alone = load(kvit, WAYS[SIMPLE], key, bodies, 1)
    counts[SIMPLE], sums[SIMPLE] = counts[SIMPLE] + 200, sums[SIMPLE] + total
    peer.stop()
    with psycopg.connect(os.environ["BENCH_DATABASE"]) as db:
        assert db.execute(TOTAL).fetchone() == (
            counts[PLAIN] + counts[LIMIT], sums[PLAIN] + sums[LIMIT],
        )  # fmt: skip
        db.execute("DROP TABLE bench_usage")
    up = in_child("--child", "take_up")
    ours = [counts[SIMPLE] + counts[BULK], sums[SIMPLE] + sums[BULK]]
    assert (up["stored"], up["events"]) == (ours, counts[BULK]), up
    report = Report(
        "intake",
        {"events": args.events, "connections": FEW},
        "what is stored on each side, events and sum, equals what was sent",
    )
    for shape in LOADS:
        plain = line(named(PLAIN, *shape), took[PLAIN, *shape])
        report.lines += [plain]
        report.lines += [
            line(named(side, *shape), took[side, *shape]).compared(plain)
            for side in (LIMIT, SIMPLE, BULK)
        ]
    report.notes = {
        "p50 / p99 of an answer, ms": {
            named(side, *shape): percentiles(took[side, *shape].latencies)
            for shape in LOADS for side in WAYS
        },
        "one event after the other, verdicts at once, p50 / p99 ms": percentiles(alone.latencies),
        "taking up what came in bulk": f"{up['events'] / up['seconds']:,.0f} events/s,"
                                       f" CPU {up['used']:.1f} s",
    }  # fmt: skip
    return report


def named(side: str, size: int, connections: int) -> str:
    return f"{side} × {size}" + (f" by {connections}" if connections != FEW else "")


def line(name: str, took: Took) -> Line:
    return Line(name, took.seconds, took.events, "events", took.cpu)


def percentiles(latencies: Sequence[float]) -> str:
    ordered = sorted(latencies)
    found = (ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)])
    return " / ".join(f"{1000 * one:.1f}" for one in found)


def value_of(number: int) -> int:
    return number % 7 + 1


def batches(numbers: Any, size: int, count: int) -> tuple[list[bytes], int]:
    """Return bodies, and the sum of their events' values."""
    bodies, total = [], 0
    for _ in range(count):
        batch = []
        for _ in range(size):
            n = next(numbers)
            total += value_of(n)
            batch.append({
                "id": f"018f{n:028x}", "subscription": f"S-{n * 7919 % SUBSCRIPTIONS:06}",
                "meter": ("calls", "messages", "storage", "logins")[n % 4],
                "time": f"2026-10-{n % 28 + 1:02}T{n % 24:02}:{n % 60:02}:00Z",
                "value": str(value_of(n)),
            })  # fmt: skip
        bodies.append(json.dumps(batch).encode())
    return bodies, total


# --- load ---------------------------------------------------------------------------------------


class Server:
    """A web server of one process, running until `ends` at the latest; `cpu_s` are the seconds of
    all that it runs."""

    def __init__(self, words: Sequence[str], ends: ExitStack) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen([*words, str(self.port)], start_new_session=True)
        ends.callback(self.stop)
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                sleep(0.1)
            else:
                return
        raise SystemExit("the server did not start")

    def cpu_s(self) -> float:
        group, total = str(self.process.pid), 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                words = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if words[3] == group:  # its session
                total += int(words[11]) + int(words[12])
        return total / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


@dataclass(slots=True)
class Connection:
    """A kept connection with one request under way."""

    socket: socket.socket
    begun: float = 0.0
    held: bytes = b""

    def send(self, request: bytes) -> None:
        self.begun = perf_counter()
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what has come; every answer must be a success."""
        part = self.socket.recv(1 << 12)
        held = self.held + part if self.held else part
        end = held.find(b"\r\n\r\n")
        if not part or (end >= 0 and not held.startswith(_SUCCESS)):
            raise SystemExit(f"the request failed: {held.decode()}")
        if end < 0 or len(held) - end - 4 < int(_LENGTH.search(held)[1]):  # type: ignore[index]
            self.held = held
            return False
        self.held = b""
        return True


def load(server: Server, path: str, key: str, bodies: Sequence[bytes], connections: int) -> Took:
    """Send all bodies; each connection sends its next request when the one before is answered.

    By bare sockets, so that it takes little of the machine from the servers.
    """
    requests = [
        (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
         f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
        for body in bodies
    ]  # fmt: skip
    latencies: list[float] = []
    cpu = server.cpu_s() + database_cpu_s()
    begun = perf_counter()
    with select.epoll() as poll:
        waiting: dict[int, Connection] = {}
        for _ in range(min(connections, len(requests))):
            one = Connection(socket.create_connection(("127.0.0.1", server.port)))
            one.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting[one.socket.fileno()] = one
            poll.register(one.socket, select.EPOLLIN)
            one.send(requests.pop())
        while waiting:
            for number, _ in poll.poll():
                one = waiting[number]
                if not one.is_answered():
                    continue
                latencies.append(perf_counter() - one.begun)
                if requests:
                    one.send(requests.pop())
                else:
                    poll.unregister(number)
                    waiting.pop(number).socket.close()
    seconds = perf_counter() - begun
    return Took(0, seconds, server.cpu_s() + database_cpu_s() - cpu, tuple(latencies))


# --- children -----------------------------------------------------------------------------------


def company() -> None:
    """Make a company with a key."""
    from kvit.web.cli.ground import database, ready

    ready()
    from kvit.parties.rights import RIGHTS
    from kvit.parties.rows import TenantRow
    from kvit.parties.services import create_key, create_tenant
    from kvit.platform import connection
    from kvit.platform.db.roles import OWNER_ROLE
    from kvit.platform.tenancy import tenant_scope

    made = create_tenant(
        TenantRow("bench", "ООО «Нагрузка»", "RUB", "Europe/Moscow"), actor="bench", now=NOW
    )
    with tenant_scope(made.id):
        key = create_key(name="bench", rights=["usage.write"], granter=frozenset(RIGHTS),
                         actor="bench", now=NOW)  # fmt: skip
    tell(key=key.key, database=connection.conninfo(database(), OWNER_ROLE))


def serve_peer() -> None:
    """Serve the peer as Kvit is served; its port comes in the place of a folder."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.log import LogLevels

    sys.path.insert(0, str(Path(__file__).parent))
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    Granian(
        "intake_peer:app", address="127.0.0.1", port=int(sys.argv[-1]),
        interface=Interfaces.ASGINL, loop=Loops.uvloop, http=HTTPModes.http1, workers=1,
        websockets=False, log_level=LogLevels.warning,
    ).serve()  # fmt: skip


def take_up() -> None:
    """Take up what came in bulk, as a worker does; then count and sum what is stored."""
    from kvit.web.cli.ground import ready

    ready()
    from django.db.models import Count, Sum

    from kvit.metering.models import UsageEvent
    from kvit.parties import queries
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.sealing import take_up_tenant

    with tenant_scope(queries.tenants()[0].id):
        begun, cpu = perf_counter(), process_time() + database_cpu_s()
        events = take_up_tenant(now=NOW)
        seconds, used = perf_counter() - begun, process_time() + database_cpu_s() - cpu
        found = UsageEvent.objects.aggregate(n=Count("id"), total=Sum("value"))
    tell(events=events, seconds=seconds, used=used, stored=[found["n"], int(found["total"])])


if __name__ == "__main__":
    main()
