"""R4, R5: workers and PostgreSQL are killed, and nothing acknowledged is lost or doubled.

Workers: a month of 2 000 payers is billed by jobs of ten payers, a tenth of the jobs left twice.
Six workers at a time are killed two hundred times: most of them soon after they began a job, by
the time that a job takes, some before. What the dead held is taken up by the next worker that
starts, as in production (`platform.leases`). Then workers finish in peace. Each worker tells when
it begins and ends a job, so it is known how many kills met it at work; a worker that ended by
itself was not killed.
Afterwards the next month is billed as people order it: one run that workers share, each of its
parts a transaction, with a few kills more. The server: see `power`. Both at the same time.
"""

import os
import random
import select
import signal
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from statistics import median
from typing import Any
from uuid import UUID

from kvit.platform.jobs import Job, job
from kvit.web.prove.ground import Ground, close
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered, spread
from kvit.web.prove.planted import attribute

PAYERS = 10  # a payer's invoice each, for a kill
A_JOB = 10  # payers
TWICE = 10  # one job of so many is left twice
WORKERS = 6
FINISHERS = 2
IDLE = 0.2  # of the workers die at a moment of their own, at work or not
IDLE_S = 0.6  # at the latest after their start
JOBS_LONG = 2.0  # the others die within so many times what a job takes, after they began one
A_JOB_S = 0.1  # what a job takes, as long as none was seen
AT_WORK = 0.5  # of the kills at least must meet a worker at work
MANY_KILLS = 50
SERVER_KILLS = 8  # one kill of the server for so many of workers
SHARED_KILLS = 16  # and one of a worker at a shared run
PARTS = 20  # of a shared run, about
BEGUN, ENDED = b"b", b"e"
_pipe: list[int] = []  # of a worker: where it tells what it is at
UNDONE = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"


@dataclass(frozen=True, slots=True)
class _Half:
    ground: Ground
    seed: int
    kills: int
    of: str  # workers or servers


@dataclass(slots=True)
class _Life:
    """A worker: what it told last, and when it is to die."""

    pid: int
    told: int  # the reading end of its pipe
    dies_at: float | None
    share: float  # of the time that it is given from the beginning of its first job on
    began_at: float | None = None  # the job that it is at


@dataclass(slots=True)
class _Lives:
    """The workers that live, by their pipes, and how long the jobs took that were ended."""

    chance: random.Random
    alive: dict[int, _Life] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    guessed_s: float = A_JOB_S

    @property
    def a_job_s(self) -> float:
        """How long a job takes: what was seen, or a guess that doubles while none is ended."""
        return median(self.took) if self.took else self.guessed_s


def prove(*, seed: int, size: int, ground: Ground) -> Outcome:
    """Kill `size` workers, and the server an eighth of that. The seed draws the moments."""
    jobs = [
        _Half(ground, seed, size, "workers"),
        _Half(ground, seed, max(1, size // SERVER_KILLS), "servers"),
    ]
    _job()
    return gathered("kill", spread(_kill, jobs), seed=seed, size=size)


def _kill(half: _Half) -> Part:
    from kvit.web.prove import power

    if half.of == "workers":
        return kill_workers(half.ground, seed=half.seed, kills=half.kills)
    return power.kill_servers(seed=half.seed, kills=half.kills)


def kill_workers(ground: Ground, *, seed: int, kills: int) -> Part:
    """Bill ten payers a kill by workers that die."""
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    payers = kills * PAYERS
    part, chance = Part(), chance_of(seed, "workers")
    work = _job()
    template = ground.template(f"payers_{payers}", lambda: company.make(payers, events=1))
    with ground.copy(template):
        _finish()  # nothing; what workers ask for is loaded before they are forked
        with tenant_scope(company.tenant().id):
            _leave_jobs(work, chance, part)
        _kill_them(chance, kills, part)
        with tenant_scope(company.tenant().id):
            part.figures["invoices before the last workers"] = company.number(
                "SELECT count(*) FROM invoicing_invoice"
            )
        _finish()
        part.violations += _left_undone()
        with tenant_scope(company.tenant().id):
            part.violations += _lost_or_doubled(payers)
        _share(chance, kills, part)
        with tenant_scope(company.tenant().id):
            part.violations += company.gaps()
        part.violations += company.broken()
        part.figures["invoices"] = payers
    met = part.figures["of them at work"]
    if kills >= MANY_KILLS and met < kills * AT_WORK:
        part.violations.append(f"{met} kills of {kills} met a worker at work: that proves little")
    return part


def _share(chance: random.Random, kills: int, part: Part) -> None:
    """Bill November by one run that workers share, and kill some of them at its parts."""
    from kvit.invoicing import services as invoicing
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    shares = import_module("kvit.invoicing.services._shares")
    own, right, payers = Part(), shares._do_next, kills * PAYERS

    def do_next(*given: object) -> object:
        _tell(BEGUN)
        answer = right(*given)
        _tell(ENDED)
        return answer

    now = company.NOVEMBER.end_instant(company.ZONE)
    with (
        attribute(shares, "_do_next", do_next),
        attribute(shares, "LEAST", max(PAYERS, payers // PARTS)),
        attribute(shares, "SPREAD", PARTS),
    ):
        with tenant_scope(company.tenant().id):
            invoicing.order_run(
                company.NOVEMBER.start, action="bill", author=company.ACTOR, now=now
            )
        _kill_them(chance, max(1, kills // SHARED_KILLS), own, may_end=True)
        _finish()
    part.figures["killed at a shared run"] = own.figures["workers killed"]
    part.violations += _left_undone()
    with tenant_scope(company.tenant().id):
        part.violations += _lost_or_doubled(2 * payers)


def _job() -> Job:
    """Return the job, entered where workers look for it."""
    from procrastinate.contrib.django import app

    from kvit.web.prove import company

    known = app.tasks.get("prove.bill")
    if known is not None:
        return Job("prove.bill", known.func, known)

    @job(name="prove.bill")
    def bill(*, payers: list[str], subscriptions: list[str], now: object) -> None:
        _tell(BEGUN)
        company.bill_some(map(UUID, payers), map(UUID, subscriptions))
        _tell(ENDED)

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


def _kill_them(chance: random.Random, kills: int, part: Part, *, may_end: bool = False) -> None:
    """Kill so many workers; `may_end`: fewer, where the work is done before."""
    lives = _Lives(chance)
    try:
        while part.figures["workers killed"] < kills:
            while len(lives.alive) < WORKERS:
                _start(lives)
            _hear(lives, part)
            for life in _due(lives)[: kills - part.figures["workers killed"]]:
                os.kill(life.pid, signal.SIGKILL)
                _bury(lives, life)
                part.figures["workers killed"] += 1
                if life.began_at is not None:
                    part.figures["of them at work"] += 1
                    lives.guessed_s = max(lives.guessed_s, 2 * (time.monotonic() - life.began_at))
            if part.figures["ended by themselves"] >= kills:
                if not may_end:
                    part.violations.append("the work was done before all workers were killed")
                return
    finally:
        for life in list(lives.alive.values()):
            os.kill(life.pid, signal.SIGKILL)
            _bury(lives, life)


def _start(lives: _Lives) -> None:
    """Start a worker like `kvit run worker --once`."""
    close()
    told, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        _pipe.append(telling)
        _work()
    os.close(telling)
    early = lives.chance.random() < IDLE
    share = lives.chance.random()
    dies_at = time.monotonic() + share * IDLE_S if early else None
    lives.alive[told] = _Life(pid, told, dies_at, share)


def _work() -> None:
    """Work in a child that does not come back."""
    status = 1
    try:
        from kvit.platform import jobs

        jobs.work_once()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def _tell(what: bytes) -> None:
    if _pipe:  # the worker that finishes in peace tells nobody
        os.write(_pipe[0], what)


def _hear(lives: _Lives, part: Part) -> None:
    """Listen to the workers until one of them is to die."""
    moments = [one.dies_at for one in lives.alive.values() if one.dies_at is not None]
    patience = max(0.0, min(moments) - time.monotonic()) if moments else None
    for told in select.select(list(lives.alive), [], [], patience)[0]:
        life, words = lives.alive[told], os.read(told, 100)
        if not words:
            _bury(lives, life)
            part.figures["ended by themselves"] += 1
        for word in words:
            _note(lives, life, bytes([word]))


def _note(lives: _Lives, life: _Life, word: bytes) -> None:
    now = time.monotonic()
    if word == BEGUN:
        life.began_at = now
        if life.dies_at is None:
            life.dies_at = now + life.share * JOBS_LONG * lives.a_job_s
    elif life.began_at is not None:
        lives.took.append(now - life.began_at)
        life.began_at = None


def _due(lives: _Lives) -> Sequence[_Life]:
    """Return the workers whose moment has come."""
    now = time.monotonic()
    return [one for one in lives.alive.values() if one.dies_at is not None and one.dies_at <= now]


def _bury(lives: _Lives, life: _Life) -> None:
    os.waitpid(life.pid, 0)
    os.close(life.told)
    del lives.alive[life.told]


def _finish() -> None:
    """Let some workers do what is left, as long as there is anything."""
    close()
    pids = []
    for _ in range(FINISHERS):
        pid = os.fork()
        if pid == 0:
            _pipe.clear()
            _work()
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    from kvit.platform import jobs

    jobs.work_once()  # what the last of them left


def _left_undone() -> Sequence[str]:
    from kvit.web.prove import company

    undone = company.number(UNDONE)
    failed = company.number("SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'")
    return [f"{undone} jobs are left undone, {failed} failed"] if undone or failed else []


def _lost_or_doubled(wanted: int) -> Sequence[str]:
    from kvit.web.prove import company

    figures: dict[str, Any] = {
        "invoices": company.number("SELECT count(*) FROM invoicing_invoice"),
        "payers billed": company.number(
            "SELECT count(*) FROM (SELECT DISTINCT customer_id, billed_in FROM invoicing_invoice"
            " WHERE status = 'issued') s"
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
    return [f"{name}: {n}, not {wanted}" for name, n in figures.items() if n != wanted]
