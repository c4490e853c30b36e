"""Which process is our server, if any: a number in a file is a hint, not a proof."""

import os
import subprocess

from kvit.platform.embedded.folder import DataFolder

READY = "ready"


def postmaster_pid(folder: DataFolder) -> int | None:
    """Return the pid of the live server of this folder, None if there is none.

    The number in postmaster.pid may have gone to another process since (always likely in a
    container, where numbers start from 1): it counts only for a process at work in our cluster.
    """
    lines = folder.postmaster_lines()
    if not lines or not lines[0].strip().lstrip("-").isdigit():
        return None
    pid = abs(int(lines[0]))  # negative: a single-user backend
    return pid if is_alive(pid) and _works_in(pid, folder) else None


def is_ready(folder: DataFolder) -> bool:
    """Whether the server says that it takes connections (the eighth line of its pid file)."""
    lines = folder.postmaster_lines()
    return len(lines) > 7 and lines[7].strip() == READY


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie that nobody has reaped yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[:1] != [b"Z"]
    except ProcessLookupError:
        return False  # it was reaped between the opening and the reading
    except FileNotFoundError:
        return not os.path.isdir("/proc/self")  # no such process; or no /proc here, as on macOS


def orphans(folder: DataFolder) -> list[int]:
    """Return what works in our cluster for no server: children of one that was killed. Where there
    is no /proc, none is found."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except FileNotFoundError:
        return []
    parents = {pid: _parent(pid) for pid in pids if _is_named_postgres(pid) and _is_at(pid, folder)}
    servers = set(parents.values())
    return [pid for pid, parent in parents.items() if parent not in parents and pid not in servers]


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _is_at(pid: int, folder: DataFolder) -> bool | None:
    """Whether a process is at work in our cluster; None where it is not ours to look at."""
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", folder.cluster)
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):
        return False


def _works_in(pid: int, folder: DataFolder) -> bool:
    if os.path.isdir("/proc/self"):
        found = _is_at(pid, folder)
        return _is_named_postgres(pid) if found is None else found
    words = ["ps", "-p", str(pid), "-o", "command="]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    return "postgres" in said and str(folder.cluster) in said


def _is_named_postgres(pid: int) -> bool:
    """Somebody else's process; a postgres among them may be ours under another account."""
    try:
        with open(f"/proc/{pid}/comm") as name:
            return name.read().strip() == "postgres"
    except (FileNotFoundError, ProcessLookupError):
        return False
