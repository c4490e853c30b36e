"""R4, R5: workers and PostgreSQL are killed at random, and nothing acknowledged is lost or doubled.

Workers: a month of 2 000 payers is billed by jobs of ten payers, a tenth of the jobs left twice.
Six workers at a time are killed within seconds, two hundred times; what a dead worker held
is taken up by another, sometimes while the first is still at it. Then one worker finishes in peace.
The server: see `power`.
"""

import os
import random
import signal
import time
import traceback
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from kvit.platform.jobs import Job, job
from kvit.web.prove.ground import Ground, close
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered

PAYERS = 10  # a payer's invoice each, for a kill
A_JOB = 10  # payers
TWICE = 10  # one job of so many is left twice
WORKERS = 6
LONGEST_S = 2.5  # the life of a worker that is killed
SERVER_KILLS = 8  # one kill of the server for so many of workers
UNDONE = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"


def prove(*, seed: int, size: int, ground: Ground) -> Outcome:
    """Kill `size` workers, and the server an eighth of that. The seed draws the moments."""
    from kvit.web.prove import power

    parts = [kill_workers(ground, seed=seed, kills=size)]
    parts.append(power.kill_servers(seed=seed, kills=max(1, size // SERVER_KILLS)))
    return gathered("kill", parts, seed=seed, size=size)


def kill_workers(ground: Ground, *, seed: int, kills: int) -> Part:
    """Bill ten payers a kill by workers that die."""
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    payers = kills * PAYERS
    part, chance = Part(), chance_of(seed, "workers")
    work = _job()
    template = ground.template(f"payers_{payers}", lambda: company.make(payers, events=1))
    with ground.copy(template):
        with tenant_scope(company.tenant().id):
            _leave_jobs(work, chance, part)
        _kill_them(chance, kills, part)
        with tenant_scope(company.tenant().id):
            part.figures["invoices before the last worker"] = company.number(
                "SELECT count(*) FROM invoicing_invoice"
            )
        _finish()
        part.violations += _left_undone()
        with tenant_scope(company.tenant().id):
            part.violations += _lost_or_doubled(payers)
            part.violations += company.gaps()
        part.violations += company.broken()
        part.figures["invoices"] = payers
    return part


def _job() -> Job:
    """Return the job, entered where workers look for it."""
    from procrastinate.contrib.django import app

    from kvit.web.prove import company

    known = app.tasks.get("prove.bill")
    if known is not None:
        return Job("prove.bill", known.func, known)

    @job(name="prove.bill")
    def bill(*, payers: list[str], subscriptions: list[str], now: object) -> None:
        company.bill_some(map(UUID, payers), map(UUID, subscriptions))

    return bill


def _leave_jobs(work: Job, chance: random.Random, part: Part) -> None:
    from kvit.web.prove import company

    rows = company.ask("SELECT customer_id, id FROM subscriptions_subscription ORDER BY code")
    jobs = [
        {"payers": [str(one[0]) for one in some], "subscriptions": [str(one[1]) for one in some]}
        for some in (rows[at : at + A_JOB] for at in range(0, len(rows), A_JOB))
    ]
    twice = chance.sample(jobs, max(1, len(jobs) // TWICE))
    jobs += twice
    chance.shuffle(jobs)
    work.defer_many(jobs)
    part.figures["jobs"], part.figures["of them twice"] = len(jobs), len(twice)


def _kill_them(chance: random.Random, kills: int, part: Part) -> None:
    alive: dict[int, float] = {}  # pid → when it dies
    while part.figures["workers killed"] < kills:
        while len(alive) < WORKERS:
            alive[_worker()] = time.monotonic() + chance.uniform(0.02, LONGEST_S)
        pid, moment = min(alive.items(), key=lambda one: one[1])
        time.sleep(max(0.0, moment - time.monotonic()))
        os.kill(pid, signal.SIGKILL)  # a zombie of ours at worst: nobody else bears its number
        os.waitpid(pid, 0)
        del alive[pid]
        part.figures["workers killed"] += 1
        _take_up()
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _worker() -> int:
    """Start a worker like `kvit run worker --once`, and return its pid."""
    close()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        from kvit.platform import jobs

        jobs.work_once()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def _take_up() -> None:
    """Take up what the dead held, at once and not after half a minute, and now and then what
    somebody is still at: the lease of a job is no lock."""
    from kvit.web.prove import company

    held = company.ask("SELECT id FROM procrastinate_jobs WHERE status = 'doing'")
    for (key,) in held:
        company.ask(
            "UPDATE procrastinate_jobs SET status = 'todo', worker_id = NULL WHERE id = %(key)s"
            " AND status = 'doing' RETURNING id",
            key=key,
        )


def _finish() -> None:
    from kvit.platform import jobs

    _take_up()
    jobs.work_once()


def _left_undone() -> Sequence[str]:
    from kvit.web.prove import company

    undone = company.number(UNDONE)
    failed = company.number("SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'")
    return [f"{undone} jobs are left undone, {failed} failed"] if undone or failed else []


def _lost_or_doubled(payers: int) -> Sequence[str]:
    from kvit.web.prove import company

    figures: dict[str, Any] = {
        "invoices": company.number("SELECT count(*) FROM invoicing_invoice"),
        "payers billed": company.number(
            "SELECT count(DISTINCT customer_id) FROM invoicing_invoice WHERE status = 'issued'"
        ),
        "invoices told": company.number(
            "SELECT count(DISTINCT key) FROM platform_eventlog"
            " WHERE topic = 'invoicing.invoice.issued'"
        ),
        "facts told": company.number(
            "SELECT count(*) FROM platform_eventlog WHERE topic = 'invoicing.invoice.issued'"
        ),
        "the last number": company.number("SELECT sum(last) FROM invoicing_numberseries"),
    }
    return [f"{name}: {n}, not {payers}" for name, n in figures.items() if n != payers]
