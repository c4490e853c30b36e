"""A data folder of a benchmark's own, and child processes whose memory is theirs alone."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any


@contextmanager
def workplace() -> Iterator[Path]:
    """Give an empty folder; its database is stopped and everything removed at the end."""
    with tempfile.TemporaryDirectory(prefix="kvit-bench-") as folder:
        environment = os.environ | {"KVIT_DATA": f"{folder}/data"}
        kvit = [sys.executable, "-m", "kvit", "db"]
        subprocess.run([*kvit, "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
        os.environ["KVIT_DATA"] = environment["KVIT_DATA"]
        try:
            yield Path(folder)
        finally:
            subprocess.run([*kvit, "stop"], env=environment, check=True, stdout=subprocess.DEVNULL)


def in_child(*words: object) -> Any:
    """Run this script again with the words, in a process of its own; return what it told."""
    command = [sys.executable, sys.argv[0], *map(str, words)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(told.stdout.splitlines()[-1])


def tell(**figures: object) -> None:
    """Answer `in_child`, with the processor seconds and the most memory of this process."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**figures, "cpu": process_time(), "memory_mb": memory}))


class Stages:
    """Takes the progress of a run, and knows how long each stage took."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, float]] = []

    def __call__(self, stage: str, done: int, whole: int) -> None:
        if not self.begun or self.begun[-1][0] != stage:
            self.begun.append((stage, perf_counter()))

    def seconds(self) -> dict[str, float]:
        ends = [*self.begun[1:], ("", perf_counter())]
        return {
            stage: end - start for (stage, start), (_, end) in zip(self.begun, ends, strict=True)
        }
