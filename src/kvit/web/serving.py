"""The processes of one machine: a web server and a worker, kept running until they are stopped.

`kvit serve` is this; on several machines each runs `kvit run web` and `kvit run worker` by itself,
under whatever keeps processes there.
"""

import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import FrameType

from kvit.platform.failures import Failure
from kvit.web.unwinding import end_with

TRIES = 20  # ports looked at after the usual one
START_S = 60.0
STOP_S = 15.0
PAUSE_S = 0.3
RESTART_S = (1.0, 2.0, 5.0, 15.0)  # pauses before a process that died is started again
WORDS = {
    "port_taken": (
        "Порт {port} занят. Укажите другой: --port {other}",
        "Port {port} is taken. Name another: --port {other}",
    ),
    "not_listened": (
        "Слушать {host}:{port} нельзя: {reason}. Укажите адрес этой машины (--host) и порт, на"
        " который есть права (--port).",
        "{host}:{port} cannot be listened on: {reason}. Name an address of this machine (--host)"
        " and a port that you may use (--port).",
    ),
    "web_silent": (
        "Веб-сервер не ответил за {seconds} с. Что он сказал, видно выше.",
        "The web server did not answer within {seconds} s. What it said stands above.",
    ),
    "restarted": (
        "Процесс {name} остановился ({status}); запускаю снова.",
        "The process {name} stopped ({status}); starting it again.",
    ),
}


class NotServed(Failure):
    """The pages cannot be served; the text says why."""

    words = WORDS


@dataclass(slots=True)
class _Child:
    name: str
    words: Sequence[str]
    process: "subprocess.Popen[bytes]"
    started: float
    failures: int = 0


def free_port(host: str, wanted: int | None, usual: int, *, shared: bool = False) -> int:
    """Return the port asked for, or from the usual one on the first that is free.

    Args:
        shared: a port where another web server of ours listens is free too: they share it.

    Raises:
        NotServed: the port asked for is taken, or the host is no address of this machine.
    """
    for port in [wanted] if wanted else range(usual, usual + TRIES):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                reason = error.strerror or error
                raise NotServed("not_listened", host=host, port=port, reason=reason) from None
            return port
    raise NotServed("port_taken", port=wanted or usual, other=(wanted or usual) + 1)


def keep_running(
    commands: Sequence[tuple[str, Sequence[str]]],
    *,
    address: tuple[str, int],
    up: Callable[[], None],
    report: Callable[..., None],
) -> None:
    """Run `kvit` commands side by side until a signal comes; then stop them in peace.

    Args:
        commands: a name and the words after `kvit` of each process.
        up: called once, when the web server at `address` answers.
        report: told a key of WORDS and its parameters when a process was started again.
    """
    children = [_start(name, words) for name, words in commands]
    stopping: list[int] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.append(signum)

    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        if _answers(address, stopping):
            up()
        elif not stopping:
            raise NotServed("web_silent", seconds=round(START_S))
        while not stopping:
            time.sleep(PAUSE_S)
            for child in children:
                _mend(child, report)
    finally:
        _stop(children)
        for one, handler in before.items():
            signal.signal(one, handler)


def _start(name: str, words: Sequence[str]) -> _Child:
    command = [sys.executable, "-P", "-m", "kvit", *words]
    # A session of its own: the terminal's Ctrl+C comes to us alone, and we say when to stop. Killed
    # we cannot, and what went on would be known to nobody.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True,
        preexec_fn=partial(end_with, os.getpid()),  # noqa: PLW1509 - we have no threads
    )  # fmt: skip
    return _Child(name, words, process, time.monotonic())


def _mend(child: _Child, report: Callable[..., None]) -> None:
    status = child.process.poll()
    if status is None:
        return
    lived = time.monotonic() - child.started
    child.failures = 0 if lived > START_S else child.failures + 1
    report("restarted", name=child.name, status=status)
    time.sleep(RESTART_S[min(child.failures, len(RESTART_S) - 1)])
    again = _start(child.name, child.words)
    child.process, child.started = again.process, again.started


def _answers(address: tuple[str, int], stopping: Sequence[int]) -> bool:
    until = time.monotonic() + START_S
    while time.monotonic() < until and not stopping:
        connection = http.client.HTTPConnection(*address, timeout=5)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return True
        except (OSError, http.client.HTTPException):
            time.sleep(PAUSE_S)
        finally:
            connection.close()
    return False


def _stop(children: Sequence[_Child]) -> None:
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    until = time.monotonic() + STOP_S
    for child in children:
        try:
            child.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
