"""A worker of jobs that outlives its database: PostgreSQL may be restarted under it.

Procrastinate's own ends with the first connection that it loses, and notes schedules over the
connection that Django keeps for a thread of its own: once that is dead, so is every later worker
of the process. Here all of it goes over the worker's pool, which looks at a connection before it
is used, and a worker that lost its database is followed by another until a signal comes.
"""

import asyncio
import logging
import threading
from contextlib import suppress
from copy import copy
from functools import partial
from typing import Any, cast

import psycopg
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Status
from procrastinate.psycopg_connector import PsycopgConnector
from procrastinate.retry import RetryDecision
from procrastinate.signals import on_stop
from procrastinate.worker import Worker

from kvit.platform.epoch import LOOK_S, Held
from kvit.platform.leases import LeasedWorkers

CONNECTIONS = 4  # of a worker's own notes, at once; its jobs have one of the process
RETRY_S = 1.0  # after the database was lost
# A job that nobody here knows is of a newer version, whose workers are started beside this one.
NEWER_S, NEWER_TRIES = 60, 1440

_log = logging.getLogger("kvit.jobs")
_stopping = threading.Event()


def is_stopping() -> bool:
    """Whether a signal came: a long job puts back at its next step what others can go on with."""
    return _stopping.is_set()


def work_until_signal(**options: Any) -> None:
    """Work jobs off until SIGTERM or SIGINT; a job at work then ends, or puts back its rest."""
    _stopping.clear()
    with suppress(asyncio.CancelledError):
        asyncio.run(_one_after_the_other(**options))


def work_off(**options: Any) -> None:
    """Work off what waits.

    Raises:
        ConnectorException: the database was lost.
    """
    asyncio.run(_work(wait=False, listen_notify=False, **options))


async def _one_after_the_other(**options: Any) -> None:
    task: Any = asyncio.current_task()
    is_told = False

    def stop() -> None:
        _stopping.set()
        task.cancel()

    with on_stop(stop):
        while not task.cancelling():
            pause_s, was_told, is_told = RETRY_S, is_told, False
            try:
                await _work(**options)
            except Held as held:
                if not was_told:
                    _log.warning("%s", held.text("en"))
                is_told, pause_s = True, LOOK_S
            except (ConnectorException, psycopg.Error) as error:
                _log.error("the worker lost its database", exc_info=error)
            await asyncio.sleep(pause_s)


async def _work(**options: Any) -> None:
    """Be one worker until it has nothing to do, loses its database, or is cancelled.

    Not `replace_connector`: that changes the one app of the process, and a job deferred by a job
    or by a handler would then leave the transaction that it belongs to.
    """
    # One connection until more are needed: a worker of few jobs starts in a half of the time.
    connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=CONNECTIONS)
    own = cast(Any, app).with_connector(connector)
    own.job_manager = LeasedWorkers(own.connector)
    own.periodic_registry = _noted_by(own)
    own.perform_import_paths()
    async with own.open_async():
        given = {**own.worker_defaults, **options, "install_signal_handlers": False}
        worker: Any = _Worker(own, **given)
        await worker.run()


def _noted_by(own: Any) -> Any:
    """Return the schedules with tasks that are deferred over this app's connections."""
    registry: Any = type(own.periodic_registry)()
    for one in own.periodic_registry.periodic_tasks.values():
        task = copy(one.task)
        task.blueprint = own
        registry.register_task(task, one.cron, one.periodic_id, one.configure_kwargs)
    return registry


class _Worker(Worker):
    async def _persist_job_status(
        self, job: Any, status: Any, retry_decision: Any, context: Any, job_result: Any
    ) -> None:
        """Note how a job ended, or end as well: to others it is at work while this worker lives."""
        if job.task_name not in self.app.tasks and job.attempts < NEWER_TRIES:
            retry_decision = RetryDecision(retry_in={"seconds": NEWER_S})
        ended = partial(super()._persist_job_status, context=context, job_result=job_result)
        try:
            try:
                await ended(job, status, retry_decision)
            except UniqueViolation:  # the same work was left again meanwhile, and waits
                await ended(job, Status.ABORTED, None)
        except ConnectorException:
            ending: Any = self
            ending.stop()
            raise
