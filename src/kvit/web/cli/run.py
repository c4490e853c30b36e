"""`kvit run worker`: delivers events and runs jobs until it is stopped."""

import argparse
import logging

from kvit.web.cli.ground import ready
from kvit.web.cli.language import either


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("role", choices=["worker"], help=either("исполнитель", "the role"))
    parser.add_argument(
        "--once",
        action="store_true",
        help=either("сделать, что ждёт, и закончить", "do what waits, then stop"),
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=2,
        metavar="N",
        help=either("заданий одновременно (2)", "jobs at the same time (2)"),
    )


def run(args: argparse.Namespace) -> int:
    ready()
    from kvit.platform import jobs
    from kvit.platform.audit import acting_from

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with acting_from("kvit run worker"):
        if args.once:
            jobs.work_once()
        else:
            jobs.work(concurrency=args.concurrency)
    return 0
