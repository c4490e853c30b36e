"""`kvit run ROLE`: one process of an installation, until it is stopped.

web        pages and API
worker     delivers events, keeps schedules and runs jobs: of all queues, or of those named
rating     jobs of rating alone: its parts of bill runs
invoicing  jobs of invoicing alone: runs that were ordered, their documents
ingest     intake alone: usage that came in bulk to this machine is looked into, and sealed

Each may be stopped, upgraded or doubled by itself; what it was at is taken up by another.
"""

import argparse
import logging
from contextlib import nullcontext

from kvit.core.wording import Words
from kvit.platform import epoch
from kvit.platform.db import roles
from kvit.platform.failures import Failure
from kvit.web.cli.counts import LAST_PORT, MOST_PROCESSES, within
from kvit.web.cli.ground import ready, tell_text
from kvit.web.cli.language import either, language

QUEUES = ("rating", "invoicing", "ingest")  # a role of its own for each
WORDS: Words = {
    "queues_of_a_role": (
        "У роли {role} свои задания: --queues есть только у worker.",
        "The role {role} has jobs of its own: --queues is for worker alone.",
    ),
}


class QueuesOfARole(Failure):
    """Queues are named for a role that has its own."""

    words = WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "role",
        choices=["web", "worker", *QUEUES],
        help=either(
            "страницы и API, исполнитель всех заданий или одних: расчёт, выставление, приём",
            "pages and API, a worker of all jobs, or of its own: rating, invoicing, intake",
        ),
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help=either("сделать, что ждёт, и закончить", "workers: do what waits, then stop"),
    )
    parser.add_argument(
        "--queues",
        nargs="+",
        choices=["default", *QUEUES],
        default=[],
        metavar="NAME",
        help=either(
            "worker: только эти очереди; default — всё, у чего нет своей роли",
            "worker: these queues alone; default is what has no role of its own",
        ),
    )
    parser.add_argument(
        "--concurrency",
        type=within(1, MOST_PROCESSES),
        default=2,
        metavar="N",
        help=either("заданий одновременно (2)", "workers: jobs at the same time (2)"),
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help=either("web: адрес, на котором слушать (127.0.0.1)", "web: address to listen on"),
    )
    parser.add_argument(
        "--port",
        type=within(1, LAST_PORT),
        default=8000,
        metavar="N",
        help=either("web: порт", "web: port"),
    )
    parser.add_argument(
        "--processes",
        type=within(1, MOST_PROCESSES),
        default=1,
        metavar="N",
        help=either("web: процессов (1)", "web: processes (1)"),
    )
    parser.add_argument(
        "--log",
        choices=["info", "warning"],
        default="info",
        help=either("что писать в журнал (info)", "what is logged (info)"),
    )


def run(args: argparse.Namespace) -> int:
    if args.queues and args.role != "worker":
        raise QueuesOfARole("queues_of_a_role", role=args.role)
    ready()
    logging.basicConfig(
        level=args.log.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    if args.role == "web":
        _serve_web(args)
    else:
        _work(args)
    return 0


def _work(args: argparse.Namespace) -> None:
    from kvit.invoicing.jobs import tick
    from kvit.platform import jobs
    from kvit.platform.audit import acting_from
    from kvit.web import nightly, retention, sealing  # noqa: F401 - a worker has to know its jobs

    _wait_for_leave(args)
    queues = [args.role] if args.role in QUEUES else args.queues
    is_of_intake = not queues or "ingest" in queues
    with acting_from(f"kvit run {args.role}"):
        if args.once:
            tick()  # a worker that goes on does it every minute
            try:
                if is_of_intake:
                    sealing.take_up_all()
            finally:  # one company's trouble is not the others'
                if is_of_intake:
                    sealing.tick()
                jobs.work_once(queues=queues)
        else:
            with sealing.taking_up() if is_of_intake else nullcontext():
                jobs.work(concurrency=args.concurrency, queues=queues)


def _wait_for_leave(args: argparse.Namespace) -> None:
    """A restored database has no worker until a person has looked at it."""
    access = roles.access()
    if args.once and epoch.epoch(access).is_held:
        raise epoch.held()
    epoch.wait_for_leave(access, lambda held: tell_text(held.text(language())))


def _serve_web(args: argparse.Namespace) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.log import LogLevels

    from kvit.web import serving

    serving.free_port(args.host, args.port, args.port, shared=True)  # Granian's own word is a trace
    Granian(
        "kvit.web.asgi:application",
        address=args.host,
        port=args.port,
        interface=Interfaces.ASGINL,
        loop=Loops.uvloop,  # of many bodies that wait for one thread it is woken once
        http=HTTPModes.http1,  # as proxies speak it; nothing of a second protocol is to be guarded
        workers=args.processes,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
    ).serve()
