"""How processes end that hold something, or are held by somebody.

SIGTERM unwinds a command that holds nothing but its own (a proof, a benchmark) as Ctrl+C does:
servers and folders that it made go with it. And a process that works for another ends with it.
"""

import ctypes
import multiprocessing
import os
import signal
from types import FrameType

_PDEATHSIG = 1  # prctl(2): the signal that comes when the parent is gone


def unwind_when_told() -> None:
    """Let SIGTERM raise `SystemExit` here; what is forked of this process dies by it as ever."""
    mine = os.getpid()

    def end(signum: int, frame: FrameType | None) -> None:
        if os.getpid() == mine:
            # Told again while it unwinds it would leave a lock of its pool held, for all to wait.
            signal.signal(signum, signal.SIG_IGN)
            raise SystemExit(128 + signum)
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)

    signal.signal(signal.SIGTERM, end)


def end_with_parent() -> None:
    """Let a process that `multiprocessing` started be told to end (SIGTERM) once its parent is
    gone. Of one that was killed it would go on otherwise: a web server that nobody knows of, beside
    that of the next version on one port."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        end_with(parent.pid)


def end_with(parent: int) -> None:
    """Let this process, a child of `parent`, be told to end once that one is gone."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before
        os.kill(os.getpid(), signal.SIGTERM)
