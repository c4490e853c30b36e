"""The transparency log on the disk, and the notes that it signs."""

import errno
import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as laws
from hypothesis import strategies as st

from kvit.core.transparency import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    read_checkpoint,
)
from kvit.platform import files
from kvit.platform.signed_notes import NoteUnusable, Signer, opened, read_verifier
from kvit.platform.tlog import Log, LogDamaged

# The example of C2SP signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ON"
    "ncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def entries(low: int, high: int) -> list[bytes]:
    return [f"entry {n}".encode() for n in range(low, high)]


def leaves(high: int) -> list[bytes]:
    return [leaf_hash(one) for one in entries(0, high)]


def root_of(high: int) -> bytes:
    tree = Frontier(0, [])
    for one in leaves(high):
        tree.add(one)
    return tree.root


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log", Signer.derived("kvit/test"))


def files_of(log: Log) -> Iterator[str]:
    for path in sorted((log.folder / "tile").rglob("*")):
        if path.is_file():
            yield path.relative_to(log.folder / "tile").as_posix()


def test_the_example_of_the_specification_is_opened() -> None:
    verifier = read_verifier(VKEY)
    assert (verifier.name, str(verifier)) == ("example.com/foo", VKEY)
    assert opened(NOTE, verifier) == "This is an example message.\n"


def test_a_changed_note_and_a_stranger_are_refused() -> None:
    ours, verifier = Signer.derived("kvit/test"), read_verifier(VKEY)
    for note in (NOTE.replace("example message", "example massage"), "", "a\n\n— \n",
                 NOTE.replace("Uw2Q", "!"), NOTE.replace("Uw2Q", "ы"),
                 ours.sign("x\n")):  # fmt: skip
        with pytest.raises(NoteUnusable) as caught:
            opened(note, verifier)
        assert caught.value.code == "note_not_signed"
    with pytest.raises(NoteUnusable) as caught:
        opened(NOTE.replace("Uw2Q", "Uw2R"), verifier)  # the id of the key
    assert caught.value.code == "note_of_another_key"
    for text in ("", "x", "a+b+c", VKEY.replace("530d", "530e"), VKEY[:-4], "+" + VKEY, VKEY + "ы"):
        with pytest.raises(NoteUnusable) as caught:
            read_verifier(text)
        assert caught.value.code == "note_key_wrong"


def test_our_own_note_is_opened_among_signatures_of_others() -> None:
    ours, others = Signer.derived("kvit/test"), Signer.derived("witness.example")
    note = ours.sign("kvit/test\n1\nroot\n")
    note += others.sign("kvit/test\n1\nroot\n").rpartition("\n\n")[2]
    for one in (ours.verifier, others.verifier, read_verifier(str(ours.verifier))):
        assert opened(note, one) == "kvit/test\n1\nroot\n"
    assert ours.verifier != others.verifier


def test_seventy_thousand_entries_lie_in_the_tiles_of_the_specification(log: Log) -> None:
    log.append(entries(0, 70_000), notes={})
    found = list(files_of(log))
    assert [one for one in found if one.startswith("0/")][-2:] == ["0/272", "0/273.p/112"]
    assert [one for one in found if not one.startswith(("0/", "entries/"))] == [
        "1/000", "1/001.p/17", "2/000.p/1"]  # fmt: skip
    assert (log.folder / "tile/0/272").stat().st_size == 8_192
    assert log.entry(69_999, 70_000) == b"entry 69999"
    checkpoint = read_checkpoint(opened(log.publish(), log.signer.verifier))
    assert (checkpoint.size, checkpoint.root) == (70_000, root_of(70_000))


@laws(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6), st.data())
def test_however_it_was_grown_it_proves_each_entry(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], data: st.DataObject
) -> None:
    log = Log(tmp_path_factory.mktemp("log"), Signer.derived("kvit/test"))
    size, sizes = 0, []
    for step in steps:
        size += step
        assert log.append(entries(size - step, size), notes={"n": size}).root == root_of(size)
        log.publish()
        sizes.append(size)
    assert log.grown().notes == {"n": size}
    assert [one.size for one in log.signed()] == sorted(set(sizes))
    assert [one for some, _ in log.bundles(size) for one in some] == entries(0, size)
    if size:
        index = data.draw(st.integers(0, size - 1))
        proof = inclusion_proof(index, size, log.perfect(size))
        assert is_included(leaf_hash(log.entry(index, size)), index, size, proof, root_of(size))
        old = data.draw(st.integers(1, size))
        shown = consistency_proof(old, size, log.perfect(size))
        assert is_consistent(old, root_of(old), size, root_of(size), shown)


def test_what_a_crash_left_unfinished_is_written_anew(log: Log) -> None:
    log.append(entries(0, 300), notes={})
    grown = (log.folder / "grown").read_bytes()
    log.append([b"lost"] * 300, notes={})  # as if it was killed before it noted how far it came
    (log.folder / "grown").write_bytes(grown)
    log.append(entries(300, 900), notes={})
    assert [one for some, _ in log.bundles(900) for one in some] == entries(0, 900)
    assert log.grown().frontier.root == root_of(900)


def test_a_disk_that_is_full_at_any_write_costs_nothing(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 0
    for full_at in range(24):
        left = iter([False] * full_at + [True] * 100)

        def sync(descriptor: int, left: Iterator[bool] = left) -> None:
            if next(left):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with log.writing():
            size = log.grown().frontier.size
            with monkeypatch.context() as patch, suppress(OSError):
                patch.setattr(os, "fsync", sync)
                log.append(entries(size, size + 100), notes={})
        grown = log.grown().frontier
        refused += grown.size == size
        assert grown.root == root_of(grown.size)
    assert 0 < refused < 24
    assert not list(log.folder.rglob("*.part"))
    with log.writing():
        log.append(entries(grown.size, 3_000), notes={})
    assert log.grown().frontier.root == root_of(3_000)


def test_a_log_behind_its_checkpoint_is_not_written_to(log: Log) -> None:
    log.append(entries(0, 3), notes={})
    grown = (log.folder / "grown").read_bytes()
    log.append(entries(3, 5), notes={})
    log.publish()
    (log.folder / "grown").write_bytes(grown)
    with pytest.raises(LogDamaged) as caught:
        log.append(entries(3, 4), notes={})
    assert caught.value.code == "tlog_damaged"
    (log.folder / "grown").write_text("{}")
    with pytest.raises(LogDamaged):
        log.grown()


def test_every_note_lies_elsewhere_too(log: Log, tmp_path: Path) -> None:
    for size in (0, 2, 2, 3):
        log.append(entries(log.grown().frontier.size, size), notes={})
        log.publish(beside=tmp_path / "elsewhere")
    kept = sorted(one for one in (tmp_path / "elsewhere").rglob("*") if one.is_file())
    assert [one.read_text().split("\n")[1] for one in kept] == ["0", "2", "3"]
    assert kept[-1].read_text() == log.note()


def test_a_log_that_was_lost_signs_nothing_that_contradicts_what_others_hold(
    log: Log, tmp_path: Path
) -> None:
    beside = tmp_path / "elsewhere"
    log.append(entries(0, 5), notes={})
    log.publish(beside=beside)
    log.folder.rename(tmp_path / "lost")
    log.append([b"another"] * 9, notes={})
    with pytest.raises(LogDamaged) as caught:
        log.publish(beside=beside)
    assert "elsewhere" in caught.value.text("ru")
    assert log.note() is None
    shutil.rmtree(log.folder)
    log.append(entries(0, 6), notes={})  # the same postings again, in the same order
    assert log.read(log.publish(beside=beside)).size == 6


def test_one_writes_while_the_others_wait(log: Log) -> None:
    def write() -> None:
        with log.writing():
            size = log.grown().frontier.size
            log.append(entries(size, size + 50), notes={})

    threads = [threading.Thread(target=write) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert log.grown().frontier.root == root_of(400)


@pytest.mark.parametrize("before", ["open", "flock"])
def test_a_log_put_aside_while_its_lock_is_taken_is_begun_anew(
    log: Log, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    with log.writing():
        log.append(entries(0, 3), notes={})
    of = fcntl if before == "flock" else os
    real = getattr(of, before)
    times = iter([True] + [False] * 7)

    def beside(*words: object) -> object:
        if next(times):
            log.put_aside(beside=None, mark="former")
        return real(*words)

    monkeypatch.setattr(of, before, beside)
    with log.writing():
        monkeypatch.undo()
        assert log.grown().frontier.size == 0
        log.append(entries(0, 2), notes={})
    assert log.grown().frontier.root == root_of(2)
    former = Log(log.folder.with_name("log.former"), log.signer)
    assert former.grown().frontier.root == root_of(3)


def test_the_names_of_its_folders_are_on_the_disk(
    file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a loss of power takes with them what was signed, and others hold its checkpoints."""
    data, synced, real = file_store.parent, set(), files.sync

    def sync(folder: Path) -> None:
        synced.update((folder, one.name) for one in folder.iterdir())
        real(folder)

    monkeypatch.setattr(files, "sync", sync)
    made = Log(data / "transparency/kvit/test/1", Signer.derived("kvit/test"))
    with made.writing():
        made.append(entries(0, 300), notes={})
        made.publish()
    below = [one for one in (data / "transparency").rglob("*") if one.name != "lock"]
    wanted = {(one.parent, one.name) for one in [data / "transparency", *below]}
    assert (len(wanted) > 10, sorted(wanted - synced)) == (True, [])


def test_a_note_of_which_any_bit_was_changed_is_told(log: Log) -> None:
    log.append(entries(0, 300), notes={})
    log.publish()
    path, kept = log.folder / "checkpoint", log.folder / "checkpoints/x000/x000/x000/300"
    body = path.read_bytes()
    for bit in range(8 * len(body)):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(LogDamaged):
            log.head()
    path.write_bytes(body)
    assert log.head() == next(log.signed())
    kept.write_bytes(bytes([body[0] ^ 0x80]) + body[1:])  # no text any more
    with pytest.raises(LogDamaged):
        list(log.signed())


@pytest.mark.parametrize("name", ["tile/0/000", "tile/entries/000"])
def test_a_file_that_is_missing_or_short_is_named(log: Log, name: str) -> None:
    log.append(entries(0, 300), notes={})
    path = log.folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LogDamaged) as caught:
        list(log.bundles(300))
    assert name.removesuffix("/000") in caught.value.text("en")
    path.unlink()
    with pytest.raises(LogDamaged):
        list(log.bundles(300))
