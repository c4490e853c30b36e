"""SIGTERM lets a command remove what it made; a fork of it dies at once, as it would without."""

import signal
import subprocess
import sys

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
