"""`kvit serve`: pages, API and worker, until Ctrl+C."""

import argparse
import os
from typing import Any

from kvit.core.wording import Words, say
from kvit.web.cli.counts import LAST_PORT, MOST_PROCESSES, within
from kvit.web.cli.ground import ready, tell_text
from kvit.web.cli.language import either, language

USUAL_PORT = 8000
WORDS: Words = {
    "serving": (
        "Рабочее место: {url}office/\nAPI: {url}api/v1/docs\nОстановить: Ctrl+C",
        "The office: {url}office/\nThe API: {url}api/v1/docs\nStop: Ctrl+C",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help=either("адрес, на котором слушать (127.0.0.1)", "address to listen on (127.0.0.1)"),
    )
    parser.add_argument(
        "--port",
        type=within(1, LAST_PORT),
        metavar="N",
        help=either(
            f"порт; без него первый свободный с {USUAL_PORT}",
            f"port; without it the first free one from {USUAL_PORT} on",
        ),
    )
    parser.add_argument(
        "--workers",
        type=within(1, MOST_PROCESSES),
        default=1,
        metavar="N",
        help=either("веб-процессов (1)", "web processes (1)"),
    )


def run(args: argparse.Namespace) -> int:
    ready()
    serve(host=args.host, port=args.port, workers=args.workers)
    return 0


def serve(*, host: str = "127.0.0.1", port: int | None = None, workers: int = 1) -> None:
    """Serve until a signal comes; the database must be ready.

    Raises:
        NoPages: the pages' packages are missing and cannot be installed.
        NotServed: the port is taken, or cannot be listened on; or the server does not start.
    """
    from kvit.web import assets, serving

    assets.ensure(lambda key: tell_text(say(assets.WORDS, key, language())))
    chosen = serving.free_port(host, port, USUAL_PORT)
    web = ["run", "web", "--host", host, "--port", str(chosen), "--processes", str(workers)]
    quiet = ["--log", "warning"]
    # By this name a browser offers passkeys; it offers none to a number.
    shown = {"127.0.0.1": "localhost"}.get(host, f"[{host}]" if ":" in host else host)
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)

    # Links in letters lead to where the pages are, unless the operator has named another place.
    os.environ.setdefault("KVIT_ADDRESS", f"http://{shown}:{chosen}")

    def report(key: str, **params: Any) -> None:
        tell_text(say(serving.WORDS, key, language(), **params))

    serving.keep_running(
        [("web", [*web, *quiet]), ("worker", ["run", "worker", *quiet])],
        address=(reached, chosen),
        up=lambda: tell_text(say(WORDS, "serving", language(), url=f"http://{shown}:{chosen}/")),
        report=report,
    )
