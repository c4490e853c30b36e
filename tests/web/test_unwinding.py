"""SIGTERM lets a command remove what it made; a fork of it dies at once, as it would without.

And who works for another does not outlive it, however that one ended.
"""

import signal
import subprocess
import sys

import pytest

HEAD = """
import os, signal, sys
from kvit.web.unwinding import unwind_when_told
unwind_when_told()
"""
UNWINDS = f"""{HEAD}
try:
    print("begun", flush=True)
    signal.pause()
finally:
    print("removed", flush=True)
"""
FORKS = f"""{HEAD}
said, saying = os.pipe()
child = os.fork()
if not child:
    try:
        os.write(saying, b"!")
        signal.pause()
    finally:
        print("unwound", flush=True)
        os._exit(0)
os.read(said, 1)
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

WORKS = """
import multiprocessing, os, signal, time

def work(told):
    from kvit.web.unwinding import end_with_parent
    end_with_parent()
    os.write(told, b"at work")
    signal.pause()

said, saying = os.pipe()
multiprocessing.get_context("fork").Process(target=work, args=(saying,)).start()
os.read(said, 7)
os.kill(os.getpid(), signal.SIGKILL)
"""

STARTS = """
import os, signal, subprocess
from functools import partial
from kvit.web.unwinding import end_with
subprocess.Popen(["sleep", "60"], preexec_fn=partial(end_with, os.getpid()))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_made_is_removed() -> None:
    command = [sys.executable, "-c", UNWINDS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        running.send_signal(signal.SIGTERM)
        assert (running.stdout.read(), running.wait()) == ("removed\n", 128 + signal.SIGTERM)


def test_a_fork_dies_of_it() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FORKS], check=True, stdout=subprocess.PIPE, text=True
    )
    assert told.stdout == f"{-signal.SIGTERM}\n"


@pytest.mark.parametrize("words", [WORKS, STARTS], ids=["forked", "started"])
def test_who_works_for_another_ends_when_that_one_is_killed(words: str) -> None:
    command = [sys.executable, "-c", words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.wait() == -signal.SIGKILL
        assert running.stdout is not None
        assert running.stdout.read() == b""  # its end is held by whoever lives
