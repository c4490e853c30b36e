"""A data folder of a benchmark's own, children whose memory is theirs alone, and the report."""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from kvit.web.unwinding import unwind_when_told


def _tell_fault(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Say nothing of Ctrl+C: it came to each process of ours."""
    if kind is not KeyboardInterrupt:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _tell_fault
unwind_when_told()


@dataclass(slots=True)
class Line:
    """What one side did. `ratio` is how many times `of` it is, in speed."""

    name: str
    seconds: float
    count: int
    unit: str  # of `count`: events, invoices
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    ratio: float | None = None
    of: str = ""

    @property
    def per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0

    def compared(self, other: "Line") -> "Line":
        """Say how many times faster this is than `other`, an event for an event."""
        self.ratio, self.of = self.per_second / other.per_second, other.name
        return self


@dataclass(slots=True)
class Report:
    """A benchmark's figures, with the machine and the moment; printed, or given as JSON."""

    bench: str
    sizes: dict[str, int]
    exact: str  # what was compared with what, to the last unit
    lines: list[Line] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def show(self, *, as_json: bool) -> None:
        told = {
            **asdict(self),
            "lines": [{**asdict(one), "per_second": one.per_second} for one in self.lines],
            "machine": machine(),
            "command": " ".join(["./kvit bench", *_own_words()]),
            "at": datetime.now(UTC).isoformat(timespec="minutes"),
        }
        if as_json:
            print(json.dumps(told, ensure_ascii=False))
            return
        sizes = ", ".join(f"{count} {name}" for name, count in self.sizes.items())
        print(f"{self.bench}: {sizes}   ({machine()})")
        for one in self.lines:
            ratio = "" if one.ratio is None else f"   {one.ratio:.2f} × {one.of}"
            print(
                f"  {one.name:34}{one.seconds:9.3f} s {one.per_second:13,.0f} {one.unit}/s"
                f"   CPU {one.cpu_s:7.2f} s  {one.memory_mb:6.0f} MB{ratio}"
            )
        for name, value in self.notes.items():
            print(f"  {name}: {value}")
        print(f"  exact: {self.exact}")


def machine() -> str:
    """Say what ran it, and how busy that was."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} × {model}, Python {platform.python_version()}, load {load:.1f}"


def _own_words() -> list[str]:
    return [Path(sys.argv[0]).stem, *sys.argv[1:]]


def parser_of(text: str | None, *, events: int, accounts: int = 0, rounds: int = 0) -> Any:
    """Return a parser with the options of `kvit bench`."""
    parser = argparse.ArgumentParser(description=(text or "").split("\n")[0])
    parser.add_argument("--events", type=int, default=events)
    parser.add_argument("--accounts", type=int, default=accounts)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", default="")
    parser.add_argument("--folder", type=Path)
    return parser


@contextmanager
def workplace(kept: Path | None = None) -> Iterator[Path]:
    """Give an empty folder; its database is stopped and everything removed at the end. A folder
    that is named is left as it is, for the next time."""
    with ExitStack() as ends:
        folder = kept or ends.enter_context(tempfile.TemporaryDirectory(prefix="kvit-bench-"))
        environment = os.environ | {"KVIT_DATA": f"{folder}/data"}
        kvit = [sys.executable, "-m", "kvit", "db"]
        subprocess.run([*kvit, "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
        os.environ["KVIT_DATA"] = environment["KVIT_DATA"]
        try:
            yield Path(folder)
        finally:
            subprocess.run([*kvit, "stop"], env=environment, check=True, stdout=subprocess.DEVNULL)


def start_child(*words: object) -> "subprocess.Popen[str]":
    """Run this script again with the words, in a process of its own."""
    command = [sys.executable, sys.argv[0], *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def told_by(child: "subprocess.Popen[str]") -> Any:
    """Wait for a child; return what it told. It does not outlive us."""
    try:
        out, _ = child.communicate()
    finally:
        child.terminate()
    if child.returncode:
        raise SystemExit(f"{' '.join(map(str, child.args))} failed")  # type: ignore[arg-type]
    return json.loads(out.splitlines()[-1])


def in_child(*words: object) -> Any:
    """Run this script again with the words, in a process of its own; return what it told."""
    return told_by(start_child(*words))


def tell(**figures: object) -> None:
    """Answer `in_child`, with the processor seconds and the most memory of this process."""
    print(json.dumps({**figures, "cpu": process_time(), "memory_mb": memory_mb()}))


def database_cpu_s() -> float:
    """Return the processor's seconds of the database server of this data folder so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    postmaster, *backends = server_pids()
    # Its own, and of children that ended; of each that has not, its own.
    return (_ticks(postmaster, 11, 15) + sum(_ticks(one, 11, 13) for one in backends)) / ticks


def server_pids() -> list[str]:
    """Return the processes of the database server of this data folder, its postmaster first."""
    [pid] = Path(os.environ["KVIT_DATA"]).rglob("postmaster.pid")
    postmaster = pid.read_text().split("\n", 1)[0]
    found = [postmaster]
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended meanwhile
            if _words(folder.name)[1] == postmaster:
                found.append(folder.name)
    return found


def _ticks(pid: str, first: int, after: int) -> int:
    with suppress(OSError):
        return sum(map(int, _words(pid)[first:after]))
    return 0


def _words(pid: str) -> list[str]:
    """Return what the system says of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def memory_mb() -> float:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Stages:
    """Takes the progress of a run, and knows how long each stage took."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, float, float, float]] = []

    def __call__(self, stage: str, done: int, whole: int) -> None:
        if not self.begun or self.begun[-1][0] != stage:
            self.begun.append((stage, perf_counter(), process_time(), database_cpu_s()))

    def seconds(self) -> dict[str, float]:
        return {stage: taken[0] for stage, taken in self._taken().items()}

    def cpu_of(self, *stages: str) -> tuple[float, float]:
        """Return the processor's seconds of some stages: in this process, and in the database."""
        found = [taken for stage, taken in self._taken().items() if stage in stages]
        return sum(one[1] for one in found), sum(one[2] for one in found)

    def _taken(self) -> dict[str, tuple[float, float, float]]:
        ends = [*self.begun[1:], ("", perf_counter(), process_time(), database_cpu_s())]
        return {
            begun[0]: (end[1] - begun[1], end[2] - begun[2], end[3] - begun[3])
            for begun, end in zip(self.begun, ends, strict=True)
        }
