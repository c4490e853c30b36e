"""Planted bugs that take long to be caught: of signed logs, and of whole processes (what becomes of
a job whose worker ends, or has a double)."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from kvit.platform import files, leases, tlog
from kvit.web.prove.planted import Planting, attribute, mutant, swapped


@mutant("files of a signed log are not flushed", origin="a file renamed before its content is safe",
        caught_by="crash signing")  # fmt: skip
def log_files_unflushed() -> Planting:
    class Hasty:
        """`os` as what writes a file sees it."""

        def __getattr__(self, name: str) -> Any:
            return (lambda descriptor: None) if name == "fsync" else getattr(os, name)

    right = files.write_whole

    def hasty(path: Path, content: bytes) -> None:
        with attribute(files, "os", Hasty()):
            right(path, content)

    return attribute(files, "write_whole", hasty)


@mutant("names of a signed log are not flushed",
        origin="names that reach the disk in another order than they were given",
        caught_by="crash signing")  # fmt: skip
def log_names_unflushed() -> Planting:
    class Hasty:
        """`files` as the log sees it: of its own folder, where its checkpoint is, nothing is
        flushed."""

        def sync(self, folder: Path) -> None:
            if not (folder / "checkpoint").exists():
                files.sync(folder)

        def __getattr__(self, name: str) -> Any:
            return getattr(files, name)

    return attribute(tlog, "files", Hasty())


@mutant("what a dead worker was at is nobody's", origin="Celery acknowledges early: a job is lost",
        caught_by="roles")  # fmt: skip
def left_to_nobody() -> Planting:
    return swapped(leases.take_up, lambda: 0)


@mutant("a double takes the part that another is at", origin="a queue without SKIP LOCKED",
        caught_by="roles")  # fmt: skip
def taken_by_two() -> Planting:
    shares = import_module("kvit.invoicing.services._shares")
    right = shares._first_left

    def first_left(record: Any, stage: Any, *, lock: str = "", **more: Any) -> Any:
        return right(record, stage, **more)

    return attribute(shares, "_first_left", first_left)
