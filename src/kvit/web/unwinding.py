"""SIGTERM unwinds a process as Ctrl+C does: servers and folders that it made for itself go with it.

For commands that hold nothing but their own (proofs, benchmarks); roles end by themselves.
"""

import os
import signal
from types import FrameType


def unwind_when_told() -> None:
    """Let SIGTERM raise `SystemExit` here; what is forked of this process dies by it as ever."""
    mine = os.getpid()

    def end(signum: int, frame: FrameType | None) -> None:
        if os.getpid() == mine:
            raise SystemExit(128 + signum)
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)

    signal.signal(signal.SIGTERM, end)
