"""A month of many accounts, billed by workers that share it: `./kvit bench billrun --workers 2`.

The company is made by the ordinary services with one customer, one subscription and an event of
each meter; a statement a table multiplies these rows, and the usage is sealed as it is each night.
Then a run is ordered as on a page, and workers bill it and sum it up, each a process of the roles
rating and invoicing. What an account has used is a rule of its number, so every total is known
without Kvit.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from subprocess import Popen
from time import perf_counter, sleep
from typing import Any

from expected import totals
from generate import METERS, PERIOD, Event, generate
from measure import database_cpu_s, in_child, server_pids, start_child, tell

LATER = datetime(2026, 11, 2, 9, tzinfo=UTC)  # the day of the run
# Ids rise with the number of the account, as those of rows that were stored one after the other.
_ID = "('01930000-0000-7000-80{}-' || lpad(to_hex(n), 12, '0'))::uuid"
_CUSTOMER, _SUBSCRIPTION, _BATCH = (_ID.format(f"0{place}") for place in range(3))
_SPELL = _ID.format("03")
_VALUE = """CASE meter WHEN 'logins' THEN 1
            ELSE mod(n::bigint * 7919 + length(meter), 400000) / 1000.0 END::numeric"""
# As `metering.rows.payload_of` makes it of these events.
_HASH = f"""sha256(convert_to(format('["subscription","s%%s","%%s",%%s,"%%s",null,"{{}}"]',
    n, meter, (extract(epoch FROM "time") * 1000000)::bigint, trim_scale({_VALUE})), 'UTF8'))"""
MULTIPLIED = {  # by table: what is not the first row's, n being the number of the account
    "parties_customer": {"id": _CUSTOMER, "code": "'c' || n", "name": "'ООО «Клиент ' || n || '»'"},
    "subscriptions_subscription": {
        "id": _SUBSCRIPTION,
        "code": "'s' || n",
        "customer_id": _CUSTOMER,
        "first": f"first || jsonb_build_object('customer', {_CUSTOMER})",
    },
    "subscriptions_spell": {
        "id": _SPELL,
        "subscription_id": _SUBSCRIPTION,
        "payer_id": _CUSTOMER,
    },
    "metering_batch": {"id": _BATCH, "version": "version + 1", "accepted": "%(accepted)s"},
    "metering_usageevent": {
        "id": None,  # from its sequence
        "event_id": "meter || n",
        "subject": "'s' || n",
        "value": _VALUE,
        "payload_hash": _HASH,
        "batch_id": _BATCH.replace("(n)", "(1)"),
    },
}


def usage_of(n: int) -> list[Event]:
    """Return what an account has used: an event a meter."""
    return [
        Event(
            f"{meter}{n}", "2026-10-10T12:00:00+03:00", f"s{n}", meter,
            "1" if meter == "logins" else f"{(n * 7919 + len(meter)) % 400_000 / 1000:.3f}",
        )
        for meter in METERS
    ]  # fmt: skip


class Held:
    """The memory of its own that the largest of some processes holds: seen again and again."""

    def __init__(self, processes: Sequence["Popen[str]"]) -> None:
        self._processes = processes
        self.seen: list[float] = []

    def look(self) -> None:
        self.seen.append(max(_own_mb(str(one.pid)) for one in self._processes))

    def by_quarters(self) -> list[float]:
        """Return what was held after each quarter of the looks."""
        return [self.seen[(len(self.seen) - 1) * quarter // 4] for quarter in range(1, 5)]


def measured(place: Path, accounts: int, workers: int, kill: bool) -> dict[str, Any]:
    """Seed a company, bill its October by workers, and return the figures."""
    folder = generate(place / "shared", subscriptions=1, number=0)
    words = ["--folder", folder, "--accounts", accounts, "--workers", workers]
    return dict(in_child("--child", "shared", *words, *["--kill"] * kill))


def bill_shared(folder: Path, accounts: int, workers: int, *, kill: bool) -> None:
    """Tell how long workers took from the order of a run to its end."""
    with _company(folder):
        begun = perf_counter()
        multiply(accounts)
        seeded = perf_counter() - begun
        hands = [start_child("--child", "worker") for _ in range(workers)]
        for hand in hands:
            assert hand.stdout is not None
            hand.stdout.readline()  # it is loaded, and waits for jobs
        loaded = sum(_proc(hand.pid)[0] for hand in hands[kill:])
        key, begun, database = _order(), perf_counter(), database_cpu_s()
        if kill:
            _until(lambda: _issued() > accounts // 4)
            hands[0].send_signal(signal.SIGKILL)
            hands[0].wait()
            hands.append(start_child("--child", "worker"))
        held = Held(hands)
        _until(lambda: _status(key) in ("issued", "done"), held.look)
        taken, database = perf_counter() - begun, database_cpu_s() - database
        python = sum(_proc(hand.pid)[0] for hand in hands if hand.poll() is None) - loaded
        by_quarters = held.by_quarters()
        _until(lambda: _status(key) == "done", held.look)
        summed = perf_counter() - begun - taken
        backends = _most_of_backends_mb()
        told = [_proc(hand.pid)[1] for hand in hands if hand.poll() is None]
        for hand in hands:
            hand.kill()
            hand.wait()
        tell(
            seeded=seeded,
            taken=taken,
            summed=summed,
            python_cpu=python,
            database_cpu=database,
            worker_mb=max(told),
            own_mb=by_quarters,
            most_own_mb=max(held.seen),
            backend_mb=backends,
            invoices=_exactly(accounts),
        )


def work() -> None:
    """Be a worker of rating and invoicing."""
    from kvit.web.cli.ground import ready

    ready()
    from kvit.invoicing import jobs  # noqa: F401 - a worker has to know its jobs
    from kvit.platform.jobs import work as work_on

    print("ready", flush=True)
    work_on(concurrency=1, queues=["rating", "invoicing"])


@contextmanager
def _company(folder: Path) -> Iterator[None]:
    from kvit.web.cli.ground import ready

    ready()
    from kvit.adapters.folder import read_folder
    from kvit.core.periods import parse_billing_period
    from kvit.integrations import services as integrations
    from kvit.metering import services as metering
    from kvit.metering.rows import EventIn
    from kvit.platform.tenancy import tenant_scope

    read = read_folder(folder)
    now = parse_billing_period(PERIOD).end_instant("Europe/Moscow")
    tenant = integrations.ensure_tenant(read, actor="bench", now=now)
    with tenant_scope(tenant.id):
        integrations.apply_objects(read, take_folder=False, actor="bench", now=now)
        first = [
            EventIn(one.id, "subscription", one.subscription, one.meter,
                    datetime.fromisoformat(one.time), Decimal(one.value))
            for one in usage_of(0)
        ]  # fmt: skip
        metering.ingest(first, source="meter", actor="bench", now=now)
        yield


def multiply(accounts: int) -> None:
    """Make the first account so many, and seal what they have used."""
    from django.db import connection, transaction

    from kvit.metering import services as metering

    with transaction.atomic(), connection.cursor() as cursor:
        for table, other in MULTIPLIED.items():
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
                " AND table_schema = 'public' ORDER BY ordinal_position",
                [table],
            )
            names = [name for (name,) in cursor.fetchall() if other.get(name, "") is not None]
            values = ", ".join(other.get(name) or f"one.{name}" for name in names)
            last = 1 if table == "metering_batch" else accounts - 1
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {values}"
                f" FROM (SELECT * FROM {table}) one, generate_series(1, {last}) n"
                + (" ORDER BY n" if last > 1 else ""),
                {"accepted": len(METERS) * (accounts - 1)},
            )
            cursor.execute("SELECT kvit_refresh_statistics(%s::regclass)", [table])
        cursor.execute("UPDATE metering_usagecounter SET last = last + 1")
    metering.seal(now=LATER)


def _order() -> Any:
    from kvit.invoicing import services

    return services.order_run(date(2026, 10, 1), action="bill", author="user:bench", now=LATER)


def _status(key: Any) -> str:
    from kvit.invoicing import queries

    found = queries.run_info(key)
    assert found is not None
    assert found.status in ("queued", "running", "done"), f"{found.status} {found.fault}"
    return "issued" if found.status == "running" and found.stage == "comparing" else found.status


def _issued() -> int:
    from kvit.invoicing.models import Invoice

    return int(Invoice.objects.count())


def _until(holds: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
    while not holds():
        meanwhile()
        sleep(0.1)


def _proc(pid: int) -> tuple[float, float]:
    """Return a process's processor seconds, and the most memory it held, in megabytes."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return sum(map(int, words[11:13])) / os.sysconf("SC_CLK_TCK"), int(peak) / 1024


def _most_of_backends_mb() -> float:
    """Return the memory of its own that the largest process of the database holds."""
    return max(map(_own_mb, server_pids()))


def _own_mb(pid: str) -> float:
    """Return the memory that a process holds for itself: not what it maps of files, nor shares."""
    with suppress(OSError):  # it may have ended meanwhile
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return sum(int(one.split()[1]) / 1024 for one in lines if one.startswith("RssAnon"))
    return 0.0


def _exactly(accounts: int) -> int:
    """Compare every total with the sum in plain fractions, and see that no number is left out."""
    from django.db import connection, transaction

    count = 0
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(
            "SELECT c.code, i.total_minor, i.number FROM invoicing_invoice i"
            " JOIN parties_customer c ON c.tenant_id = i.tenant_id AND c.id = i.customer_id"
            " ORDER BY i.number"
        )
        while rows := cursor.fetchmany(10_000):
            for code, minor, number in rows:
                count += 1
                assert number == count, f"number {number} comes after {count - 1}"
                wanted = _total(int(code[1:]))
                assert minor == wanted, f"{code} is billed {minor}, not {wanted}"
    assert count == accounts, f"{count} invoices of {accounts} accounts"
    return count


def _total(n: int) -> int:
    return totals(1, [one._replace(subscription="s0") for one in usage_of(n)])["c0"]
