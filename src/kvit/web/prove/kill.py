"""R4, R5: workers and PostgreSQL are killed, and nothing acknowledged is lost or doubled.

Workers: a month of 2 000 payers is billed by jobs of ten payers, a tenth of the jobs left twice.
Of six workers at a time two hundred are killed, each while it is at a job (`lives`). What the dead
held is taken up by the next worker that starts, as in production (`platform.leases`): the queue's
own record must tell as many. Then those that live finish in peace.
Afterwards the next month is billed as people order it: one run that workers share, each of its
parts a transaction, with some kills more, spread over the parts of rating and of invoicing and over
their sums. The server: see `power`. Both at the same time.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

from kvit.platform.jobs import Job, job
from kvit.web.prove.ground import Ground
from kvit.web.prove.lives import BEGUN, ENDED, Lives, in_peace, tell
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered, spread
from kvit.web.prove.planted import attribute

PAYERS = 10  # a payer's invoice each, for a kill
A_JOB = 10  # payers
TWICE = 10  # one job of so many is left twice
FINISHERS = 2
SERVER_KILLS = 8  # one kill of the server for so many of workers
SHARED_KILLS = 16  # and one of a worker at a shared run
PARTS = 20  # of a stage of a shared run, about
OWN = ("_shares", "_orders")  # modules of invoicing
UNDONE = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
TAKEN_UP = "SELECT count(*) FROM procrastinate_events WHERE type = 'deferred_for_retry'"


@dataclass(frozen=True, slots=True)
class _Half:
    ground: Ground
    seed: int
    kills: int
    of: str  # workers or servers


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
    with ground.copy(template) as access:
        in_peace(FINISHERS)  # nothing; what workers ask for is loaded before they are forked
        with tenant_scope(company.tenant().id):
            _leave_jobs(work, chance, part)
        lives = Lives(chance, part, kills)
        lives.kill(_is_done)
        part.figures["workers killed at a job"] = lives.met
        in_peace(FINISHERS)
        part.violations += [*left_undone(), *_not_taken_up(part)]
        with tenant_scope(company.tenant().id):
            part.violations += _lost_or_doubled(payers)
        ground.look_at(access.database)
        _share(chance, kills, part)
        ground.look_at(access.database)
        with tenant_scope(company.tenant().id):
            part.violations += company.gaps()
        part.violations += company.broken()
        part.figures["invoices"] = payers
    return part


def _share(chance: random.Random, kills: int, part: Part) -> None:
    """Bill November by one run that workers share, and kill some of them at its parts."""
    from kvit.invoicing import services as invoicing
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    shares, orders = (import_module(f"kvit.invoicing.services.{one}") for one in OWN)
    right, payers = shares._do_next, kills * PAYERS

    def do_next(record: Any, stage: str, act: Any, **more: bool) -> Any:
        def begun(part: Any) -> None:
            tell(BEGUN)
            act(part)

        answer = right(record, stage, begun, **more)
        tell(ENDED)
        return answer

    now = company.NOVEMBER.end_instant(company.ZONE)
    lives = Lives(
        chance, part, max(1, kills // SHARED_KILLS), over=3 * PARTS, at_once=orders.HELPERS
    )
    with (
        attribute(shares, "_do_next", do_next),
        attribute(shares, "LEAST", max(PAYERS, payers // PARTS)),
        attribute(shares, "SPREAD", PARTS),
    ):
        with tenant_scope(company.tenant().id):
            invoicing.order_run(
                company.NOVEMBER.start, action="bill", author=company.ACTOR, now=now
            )
        lives.kill(_is_done)
        in_peace(FINISHERS)
    part.figures["killed at a part of a shared run"] = lives.met
    part.violations += left_undone()
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
        tell(BEGUN)
        company.bill_some(map(UUID, payers), map(UUID, subscriptions))
        tell(ENDED)

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


def _is_done() -> bool:
    from kvit.web.prove import company

    return company.number(UNDONE) == 0


def _not_taken_up(part: Part) -> Sequence[str]:
    """Complain unless the queue tells of each that was killed at a job that it was taken up."""
    from kvit.web.prove import company

    taken = part.figures["jobs taken up from the dead"] = company.number(TAKEN_UP)
    least = part.figures["workers killed at a job"]
    # Killed between the work and the note of it, a worker may have left the job or not.
    if not least <= taken <= least + part.figures["killed after their work"]:
        return [f"{least} workers were killed at a job, {taken} jobs were taken up"]
    return []


def left_undone() -> Sequence[str]:
    """Say which jobs wait, are at work or failed when nobody works any more."""
    from kvit.web.prove import company

    left = company.ask(
        "SELECT task_name, status::text, count(*) FROM procrastinate_jobs"
        " WHERE status IN ('todo', 'doing', 'failed') GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [f"{count} jobs {task} are {status}" for task, status, count in left]


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
