"""Who is at a job: every worker holds a lock that ends with its connection, whatever ended it.

A job that is being done belongs to its worker for as long as the worker lives, and to nobody from
the moment it dies: no clock is asked, nobody waits for a silence, and a worker that is only slow
keeps what it has. A machine that has vanished is noticed by the server's own TCP probes.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from kvit.platform import epoch

SPACE = 0x6B76  # of advisory locks: "kv", and the worker's number
SILENT_S = 60  # a dead worker's row is kept so long
_PROBES = (
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
)
_ALIVE = """
    SELECT l.objid::bigint FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 2
      AND l.classid = %(space)s AND l.granted
"""
_LEFT = f"""
    SELECT id FROM procrastinate_jobs
    WHERE status = 'doing' AND (worker_id IS NULL OR worker_id NOT IN ({_ALIVE}))
    ORDER BY id FOR UPDATE SKIP LOCKED
"""
_AT_WORK = f"""
    SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND worker_id IN ({_ALIVE})
"""
# Of a database in another epoch than the worker's nothing is fetched. `locked` gives no row: it has
# the statement wait for a restore that is under way, and only then look which epoch stands.
_FETCH = f"""
    SELECT job.*, stands.epoch
    FROM (SELECT {epoch.STANDS} AS epoch) AS stands
    CROSS JOIN LATERAL procrastinate_fetch_job_v2(
        CASE WHEN stands.epoch = %(epoch)s THEN %(queues)s::varchar[] ELSE '{{}}' END, %(worker)s
    ) AS job
    LEFT JOIN procrastinate_jobs AS locked ON false
"""
_FORGET = f"""
    DELETE FROM procrastinate_workers
    WHERE last_heartbeat < clock_timestamp() - %(silent)s * interval '1 second'
      AND id NOT IN ({_ALIVE})
"""


@transaction.atomic
def take_up() -> int:
    """Leave the jobs of dead workers to others; return how many. The living keep theirs."""
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, {"space": SPACE})
        left = [key for (key,) in cursor.fetchall()]
        for key in left:
            _leave(key)
        cursor.execute(_FORGET, {"space": SPACE, "silent": SILENT_S})
    return len(left)


def at_work(owner: psycopg.Connection[Any], *, lock_timeout: str) -> int:
    """Return how many jobs living workers are at, those that are being fetched this moment too."""
    with owner.transaction():
        found = owner.execute("SELECT to_regclass('procrastinate_jobs') IS NOT NULL").fetchone()
        if not found or not found[0]:
            return 0
        owner.execute("SELECT set_config('lock_timeout', %s, true)", [lock_timeout])
        owner.execute("LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE")
        row = owner.execute(_AT_WORK, {"space": SPACE}).fetchone()
    return int(row[0]) if row else 0


def _leave(job: int) -> None:
    try:
        with transaction.atomic():
            app.job_manager.retry_job_by_id(job, retry_at=datetime.now(UTC))
    except UniqueViolation:  # the same work was left again meanwhile, and waits
        with connection.cursor() as cursor:
            cursor.execute("SELECT procrastinate_finish_job_v1(%s, 'aborted', false)", [job])


class LeasedWorkers(JobManager):
    """Registers a worker together with its lock: nobody sees the one without the other.

    It is a worker of the epoch that stands then: in another its number would be somebody else's.
    """

    _lease: psycopg.AsyncConnection[Any] | None = None
    _epoch = ""

    async def register_worker(self) -> int:
        """Register a worker.

        Raises:
            epoch.Held: the database was restored, and nobody has said yet that it may go on.
        """
        self._lease = lease = await _connection()
        async with lease.transaction():
            answer = await lease.execute("SELECT * FROM procrastinate_register_worker_v1()")
            [worker] = await answer.fetchall()
            [[self._epoch]] = await (await lease.execute(f"SELECT {epoch.STANDS}")).fetchall()
            await lease.execute("SELECT pg_advisory_lock(%s, %s)", [SPACE, worker[0]])
        if epoch.Epoch.read(self._epoch).is_held:
            await self.unregister_worker(int(worker[0]))
            raise epoch.held()
        return int(worker[0])

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Fetch a job.

        Raises:
            epoch.Held: the database was restored; no job was fetched.
        """
        row = await self.connector.execute_query_one_async(
            query=_FETCH, queues=queues, worker=worker_id, epoch=self._epoch
        )
        if row.pop("epoch") != self._epoch:
            raise epoch.held()
        return None if row["id"] is None else Job.from_row(row)

    async def unregister_worker(self, worker_id: int) -> None:
        """Give the lock back; where it is lost already, the row goes with those of the dead."""
        assert self._lease is not None
        with suppress(psycopg.OperationalError):
            await self._lease.execute("SELECT procrastinate_unregister_worker_v1(%s)", [worker_id])
        await self._lease.close()

    async def update_heartbeat(self, worker_id: int) -> None:
        """Beat, and lock anew where the server dropped the connection that held the lock."""
        await super().update_heartbeat(worker_id)
        try:
            assert self._lease is not None
            await self._lease.execute("SELECT 1")
        except psycopg.OperationalError:
            self._lease = await _connection()
            await self._lease.execute("SELECT pg_advisory_lock(%s, %s)", [SPACE, worker_id])

    async def prune_stalled_workers(self, seconds_since_heartbeat: float) -> list[int]:
        """Forget nobody: a silent worker may live, and `take_up` knows."""
        return []


async def _connection() -> psycopg.AsyncConnection[Any]:
    lease = await psycopg.AsyncConnection.connect(**connector_params(), autocommit=True)
    for setting in _PROBES:
        await lease.execute(setting)
    return lease
