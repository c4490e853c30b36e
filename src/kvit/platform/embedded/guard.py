"""The process beside the server: `python -m kvit.platform.embedded.guard FOLDER LINGER [TEST]`.

Why a process: whoever started the server may be killed, and nobody else would stop it or start it
again. The guard is the server's parent, so it learns of its end at once and reaps it.

    the server ends by itself      it is started again, more and more slowly, then given up;
                                   one that cannot start at all (a full disk) is given up at once;
                                   children that it left and that do not end are killed
    nobody uses it for LINGER s    it is stopped, unless the file `keep` asks it to stay
    SIGTERM (`kvit db stop`)       it is stopped
    the guard itself is killed     the server goes on; the next user starts a guard, which adopts it

Users are processes that hold a shared lock on users.lock: the kernel lets go of it however they
end. To stop for want of users the guard takes that lock alone, so that a newcomer waits, finds no
server, and starts one.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from kvit.platform.embedded.account import account_of
from kvit.platform.embedded.binaries import program
from kvit.platform.embedded.folder import DataFolder
from kvit.platform.embedded.postmaster import is_alive, is_ready, orphans, postmaster_pid

TICK_S = 0.5
PAUSES_S = (0.2, 1.0, 5.0, 15.0, 30.0)  # before the next start of a server that ended by itself
STEADY_S = 60  # a server that lived so long has recovered; its next end is a new story
LEFTOVERS_S = 30  # how long children of a killed server may hold its memory and lock files
PATIENCE_S = 5  # until they are killed too: one that waits for a lock of a dead one never ends
LEFTOVERS = (b"pre-existing shared memory block", b"lock file")

# No autovacuum: what it happens to analyse between two tests would decide their plans.
TEST_OPTIONS = (
    "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
    "-c", "autovacuum=off",
)  # fmt: skip


class Guard:
    """Looks after one server. A class, because a signal handler has to reach its state."""

    def __init__(self, folder: DataFolder, *, linger_s: float, for_tests: bool) -> None:
        self.folder = folder
        self.linger_s = linger_s
        self.for_tests = for_tests
        self.asked_to_stop = False
        self.users = folder.open_lock("users")
        self.folder_descriptor = os.open(folder.root, os.O_RDONLY | os.O_DIRECTORY)
        self.child: subprocess.Popen[bytes] | None = None  # None: the server was adopted
        self.pid = 0
        self.was_ready = False

    def ask_to_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked_to_stop = True

    def watch(self) -> int:
        """Start or adopt the server and stay until it is stopped; return the exit status."""
        crashes, alone_since = 0, time.monotonic()
        while not self.asked_to_stop:
            began, said_before = time.monotonic(), self._log_size()
            self._start_or_adopt()
            if self._stay():
                self._stop()
                return 0
            status = self.child.returncode if self.child is not None else "unknown"
            _note(f"server {self.pid} ended by itself, status {status}")
            if self.was_ready:
                crashes = 1 if time.monotonic() - began > STEADY_S else crashes + 1
                if crashes > len(PAUSES_S):
                    break
                alone_since = time.monotonic()
                time.sleep(PAUSES_S[crashes - 1])
            elif self._met_leftovers(said_before) and self._may_wait(alone_since):
                time.sleep(PAUSES_S[0])
            else:
                break
        _note("given up")
        return 1

    def _start_or_adopt(self) -> None:
        self.was_ready = False
        pid = postmaster_pid(self.folder)
        if pid is not None:
            self.child, self.pid = None, pid
            _note(f"adopted server {pid}")
            return
        # Whatever stands in the pid file is not our server: after a reboot the number may belong
        # to anything, and PostgreSQL would refuse to start beside it.
        (self.folder.cluster / "postmaster.pid").unlink(missing_ok=True)
        words = [
            program("postgres"),
            "-D", self.folder.cluster,
            "-c", "listen_addresses=",
            "-c", f"unix_socket_directories={self.folder.new_socket_folder()}",
            "-c", "unix_socket_permissions=0700",
            *(TEST_OPTIONS if self.for_tests else ()),
        ]  # fmt: skip
        self.child = account_of(self.folder).popen(words, stdin=subprocess.DEVNULL)
        self.pid = self.child.pid

    def _stay(self) -> bool:
        """Return True when the server is to be stopped, False when it ended by itself."""
        idle_since: float | None = None
        while True:
            if self.asked_to_stop:
                return True
            # Also of a server that has just died: its pid file still tells.
            self.was_ready = self.was_ready or is_ready(self.folder)
            if self._has_ended():
                return False
            if self._has_users():
                idle_since = None
            else:
                idle_since = idle_since or time.monotonic()
                if time.monotonic() - idle_since >= self.linger_s and self._leave_together():
                    return True
            self._sleep()

    def _has_ended(self) -> bool:
        if self.child is not None:
            return self.child.poll() is not None
        return not is_alive(self.pid)

    def _has_users(self) -> bool:
        if self._keeps() or not self._lock_users():
            return True
        fcntl.flock(self.users, fcntl.LOCK_UN)
        return False

    def _leave_together(self) -> bool:
        """Take the users' lock for good, so that whoever comes now waits for the end."""
        return self._lock_users()

    def _lock_users(self) -> bool:
        try:
            fcntl.flock(self.users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _keeps(self) -> bool:
        # Relative to the open folder: its path may have changed since.
        with contextlib.suppress(FileNotFoundError):
            os.stat("keep", dir_fd=self.folder_descriptor)
            return True
        return False

    def _sleep(self) -> None:
        if self.child is None:
            time.sleep(TICK_S)
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=TICK_S)

    def _stop(self) -> None:
        """Ask for a fast shutdown: sessions end, a checkpoint is written."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)
        while not self._has_ended():
            self._sleep()
        _note("stopped")

    def _log_size(self) -> int:
        return self.folder.log.stat().st_size if self.folder.log.exists() else 0

    def _met_leftovers(self, since: int) -> bool:
        """Whether the server said that children of its killed predecessor are still there."""
        with self.folder.log.open("rb") as log:
            log.seek(since)
            said = log.read()
        return any(words in said for words in LEFTOVERS)

    def _may_wait(self, alone_since: float) -> bool:
        """Whether to wait on for children of a killed server; in the end they are killed."""
        waited_s = time.monotonic() - alone_since
        if waited_s > PATIENCE_S:
            for pid in orphans(self.folder):
                _note(f"killed {pid}, which its server had left")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return waited_s < LEFTOVERS_S


def _note(text: str) -> None:
    print(f"kvit guard {os.getpid()}: {text}", flush=True)


def main(folder: DataFolder, *, linger_s: float, for_tests: bool) -> int:
    """Hold guard.lock, with our pid inside, as long as we live."""
    descriptor = folder.open_lock("guard")
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    guard = Guard(folder, linger_s=linger_s, for_tests=for_tests)
    signal.signal(signal.SIGTERM, guard.ask_to_stop)
    signal.signal(signal.SIGINT, guard.ask_to_stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return guard.watch()


if __name__ == "__main__":
    sys.exit(
        main(
            DataFolder(Path(sys.argv[1])),
            linger_s=float(sys.argv[2]),
            for_tests="test" in sys.argv[3:],
        )
    )
