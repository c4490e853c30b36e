"""What was answered for is in the log, whatever happens to its writer or to the disk."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kvit.platform import durable_log, files
from kvit.platform.durable_log import NotKept, Writer


@pytest.fixture
def log(file_store: Path) -> Iterator[Writer]:
    writer = Writer(durable_log.folder())
    yield writer
    writer.close()


def every_record(name: str) -> list[bytes]:
    return [one for path in durable_log.unread(name) for one in durable_log.records(path)]


def keep(log: Writer, *records: bytes, name: str = "a") -> None:
    log.keep(name, records)


def test_records_are_read_in_their_order_and_by_name(log: Writer) -> None:
    keep(log, b"one", b"", b"x" * 100_000)
    keep(log, b"other", name="b")
    assert every_record("a") == [b"one", b"", b"x" * 100_000]
    assert durable_log.whole("a") == []  # it is being written
    log.close()
    [path] = durable_log.whole("a")
    assert durable_log.read(path) == durable_log.Read((b"one", b"", b"x" * 100_000), damaged=False)
    assert durable_log.names() == ["a", "b"]
    durable_log.discard(path)
    assert durable_log.names() == ["b"]


def test_a_file_is_closed_after_a_while(log: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable_log, "FILE_S", 0.01)
    keep(log, b"one")
    until = time.monotonic() + 60
    while not durable_log.whole("a") and time.monotonic() < until:
        time.sleep(0.01)
    keep(log, b"two")
    log.close()
    assert [durable_log.read(path).records for path in durable_log.whole("a")] == [
        (b"one",), (b"two",),
    ]  # fmt: skip


def test_what_was_torn_was_never_answered_for(log: Writer) -> None:
    """Cut at every byte: the whole records before the cut are there, and it is no damage."""
    keep(log, b"one", b"two!")
    [path] = (durable_log.folder() / "a").iterdir()
    content = path.read_bytes()
    first = len(content) - len(b"two!") - 12
    for cut in range(len(content)):
        found = durable_log.parse(content[:cut], may_be_torn=True)
        assert found.records == ((b"one",) if cut >= first else ())
        assert not found.damaged
        assert durable_log.parse(content[:cut], may_be_torn=False).damaged is (
            cut not in (0, first)
        )


def test_a_closed_file_tells_what_it_holds(log: Writer) -> None:
    """Its end torn at any byte is no damage; a record broken before a whole end always is one."""
    log.keep("a", [b"one", b"two!"], weight=7)
    [path] = durable_log.unread("a")
    assert (durable_log.held(path), durable_log.first(path)) == (None, b"one")
    open_bytes = path.read_bytes()
    log.close()
    [path] = durable_log.unread("a")
    assert (durable_log.held(path), durable_log.first(path)) == (durable_log.Held(2, 7), b"one")
    content = path.read_bytes()
    for cut in range(len(open_bytes), len(content)):
        found = durable_log.parse(content[:cut], may_be_torn=True)
        assert found == durable_log.Read((b"one", b"two!"), damaged=False)
    broken = content.replace(b"two!", b"two?")
    assert durable_log.parse(broken, may_be_torn=True) == durable_log.Read((b"one",), damaged=True)
    path.rename(path.with_suffix(".left"))
    assert durable_log.held(path.with_suffix(".left")) is None
    assert 0 <= time.time_ns() // 1_000_000 - durable_log.begun_ms(path) < 600_000


def test_a_file_whose_end_cannot_be_written_loses_nothing(
    log: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(log, b"one")

    def fail(_: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fdatasync", fail)
    log.close()
    [path] = durable_log.whole("a")
    assert (path.suffix, durable_log.read(path)) == (
        ".left", durable_log.Read((b"one",), damaged=False),
    )  # fmt: skip


def test_a_flipped_bit_is_damage_and_hides_nothing_else(log: Writer) -> None:
    keep(log, b"one", b"two", b"three")
    [path] = (durable_log.folder() / "a").iterdir()
    content = bytearray(path.read_bytes())
    content[content.index(b"two")] ^= 1
    found = durable_log.parse(bytes(content), may_be_torn=True)
    assert (found.records, found.damaged) == ((b"one", b"three"), True)


def test_the_file_of_a_dead_writer_is_found(file_store: Path) -> None:
    died = subprocess.run(
        [
            sys.executable, "-c",
            "import os, sys; from pathlib import Path\n"
            "from kvit.platform import durable_log, files\n"
            "files.use(Path(sys.argv[1]))\n"
            "durable_log.writer().keep('a', [b'one']); os._exit(9)",
            str(file_store),
        ],
        check=False,
    )  # fmt: skip
    assert died.returncode == 9
    [path] = durable_log.whole("a")
    assert path.suffix == ".left"
    assert durable_log.read(path).records == (b"one",)


def test_a_full_disk_is_told_and_nothing_is_lost(log: Writer) -> None:
    """The system's own limit of a file's size fails a write in the midst of a record."""
    keep(log, b"one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, before[1]))
    try:
        with pytest.raises(NotKept) as refused:
            keep(log, b"x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused.value.code == "log_disk_full"
    keep(log, b"two")
    log.close()
    found = [durable_log.read(path) for path in durable_log.whole("a")]
    assert [(one.records, one.damaged) for one in found] == [((b"one",), False), ((b"two",), False)]


def test_the_disk_is_not_filled_to_the_brim(log: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable_log, "RESERVE", 2**60)
    with pytest.raises(NotKept) as refused:
        keep(log, b"one")
    assert refused.value.code == "log_disk_full"
    assert every_record("a") == []


def test_a_flush_that_fails_answers_for_nothing(
    log: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(log, b"one")

    def fail(_: int) -> None:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(NotKept) as refused:
            keep(log, b"two")
    assert refused.value.code == "log_failed"
    keep(log, b"three")
    assert every_record("a") == [b"one", b"three"]


def test_who_waits_is_written_together_and_no_more_than_memory_may_hold(
    log: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable_log, "MOST_WAITING", 1_000)
    flushes: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda one: (flushes.append(one), real(one)))
    callers = [threading.Thread(target=keep, args=(log, bytes([n]) * 300)) for n in range(3)]
    with log._disk:  # the disk is slow
        for one in callers:
            one.start()
        while len(log._waiting) < 3:
            time.sleep(0.001)
        with pytest.raises(NotKept) as refused:
            keep(log, b"y" * 300)
    assert refused.value.code == "log_busy"
    for one in callers:
        one.join(60)
    assert sorted(every_record("a")) == [bytes([n]) * 300 for n in range(3)]
    assert len(flushes) == 1


def test_who_was_written_for_by_one_that_failed_is_not_answered(
    log: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three wait behind a slow flush; the one that writes for them dies of something else."""
    begun, go_on = threading.Event(), threading.Event()
    right = log._kept

    def kept(name: str, group: Sequence[Any]) -> NotKept | None:
        begun.set()
        go_on.wait(60)
        if len(group) == 3:
            raise MemoryError
        return right(name, group)

    monkeypatch.setattr(log, "_kept", kept)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(keep, log, b"first")
        begun.wait(60)
        rest = [threads.submit(keep, log, b"%d" % n) for n in range(3)]
        while len(log._waiting) < 3:
            time.sleep(0.001)
        go_on.set()
        errors = [type(one.exception()) for one in rest]
    assert (first.exception(), sorted(errors, key=str)) == (
        None, [MemoryError, NotKept, NotKept],
    )  # fmt: skip
    assert every_record("a") == [b"first"]


def test_without_a_thread_to_close_files_the_next_one_tries(
    log: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(durable_log, "FILE_S", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        keep(log, b"one")
    keep(log, b"two")
    until = time.monotonic() + 60
    while not durable_log.whole("a") and time.monotonic() < until:
        time.sleep(0.01)
    assert every_record("a") == [b"one", b"two"]
    assert [path.suffix for path in durable_log.unread("a")] == [".log"]


def test_a_log_that_nobody_works_on_takes_no_more(
    log: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(log, b"one")
    log.close()
    monkeypatch.setattr(durable_log, "MOST_KEPT", 1)
    with pytest.raises(NotKept) as refused:
        keep(log, b"two")
    assert refused.value.code == "log_behind"
    keep(log, b"of another", name="b")
    assert files.folder().with_name("intake") == durable_log.folder()


def test_a_file_that_is_worked_on_meanwhile_refuses_nobody(log: Writer) -> None:
    keep(log, b"one")
    log.close()
    # What a folder names and nobody finds any more is a file that was removed in between.
    (durable_log.folder() / "a" / "0-gone.log").symlink_to("nowhere")
    keep(log, b"two")
    assert every_record("a") == [b"one", b"two"]
