"""Work spread over processes comes back in order, and the processes end, however they are told."""

import os
import signal
import subprocess
import sys

DOES = """
from kvit.web.prove.outcome import spread

def square(n):
    return n * n

for _ in range(150):
    assert spread(square, [1, 2, 3]) == [1, 4, 9]
"""
WAITS = """
import os, time
from kvit.web.prove.outcome import spread
from kvit.web.unwinding import unwind_when_told

def wait(n):
    os.write(1, b"at work\\n")
    try:
        time.sleep(60 * n)
    finally:
        os.write(1, b"removed\\n")

unwind_when_told()
spread(wait, [1, 0, 0, 0], more=1)
"""


def test_processes_that_are_done_end() -> None:
    subprocess.run([sys.executable, "-c", DOES], check=True, timeout=300)


def test_a_signal_to_all_of_them_ends_those_at_work_and_those_that_wait() -> None:
    command = [sys.executable, "-c", WAITS]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout is not None
        told = [running.stdout.readline() for _ in range(7)]  # three have ended, one goes on
        assert sorted(told) == ["at work\n"] * 4 + ["removed\n"] * 3
        os.killpg(running.pid, signal.SIGTERM)
        rest, _ = running.communicate(timeout=300)
        assert (rest, running.returncode) == ("removed\n", 128 + signal.SIGTERM)
