"""Who is at a job: every worker holds a lock that ends with its connection, whatever ended it.

A job that is being done belongs to its worker for as long as the worker lives, and to nobody from
the moment it dies: no clock is asked, nobody waits for a silence, and a worker that is only slow
keeps what it has. A machine that has vanished is noticed by the server's own TCP probes.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import UniqueViolation
from procrastinate.manager import JobManager

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


def _leave(job: int) -> None:
    try:
        with transaction.atomic():
            app.job_manager.retry_job_by_id(job, retry_at=datetime.now(UTC))
    except UniqueViolation:  # the same work was left again meanwhile, and waits
        with connection.cursor() as cursor:
            cursor.execute("SELECT procrastinate_finish_job_v1(%s, 'aborted', false)", [job])


class LeasedWorkers(JobManager):
    """Registers a worker together with its lock: nobody sees the one without the other."""

    _lease: psycopg.AsyncConnection[Any] | None = None

    async def register_worker(self) -> int:
        self._lease = lease = await _connection()
        async with lease.transaction():
            answer = await lease.execute("SELECT * FROM procrastinate_register_worker_v1()")
            [worker] = await answer.fetchall()
            await lease.execute("SELECT pg_advisory_lock(%s, %s)", [SPACE, worker[0]])
        return int(worker[0])

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
