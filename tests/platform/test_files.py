"""The store of files."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kvit.platform import files

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HELLO = hashlib.sha256(b"hello").hexdigest()


def test_what_is_put_is_got(file_store: Path) -> None:
    assert files.put(b"hello") == HELLO
    assert files.get(HELLO) == b"hello"
    assert files.get(files.put(b"")) == b""
    assert [p.name for p in (file_store / HELLO[:2]).iterdir()] == [HELLO]
    assert (file_store / HELLO[:2] / HELLO).stat().st_mode & 0o777 == 0o600


def test_a_second_put_leaves_the_file_and_makes_it_young(file_store: Path) -> None:
    files.put(b"hello")
    os.utime(files.path_of(HELLO), (0, 0))
    before = files.path_of(HELLO).stat()
    files.put(b"hello")
    after = files.path_of(HELLO).stat()
    assert before.st_ino == after.st_ino
    assert after.st_mtime > NOW.timestamp()


def test_what_nothing_names_goes_after_its_time(file_store: Path) -> None:
    named, old, young = (files.put(word) for word in (b"named", b"old", b"young"))
    killed = files.path_of(old).with_name(f"{old}.0.part")  # of a put that was cut off
    killed.write_bytes(b"ol")
    for path in (files.path_of(named), files.path_of(old), killed):
        os.utime(path, (NOW.timestamp() - 1,) * 2)
    named_all = {named, *"abc"}  # and three that lie elsewhere
    assert files.drop_unnamed(named_all, before=NOW) == 2
    assert sorted(path.name for path in file_store.rglob("*") if path.is_file()) == sorted(
        [named, young]
    )
    assert files.drop_unnamed(named_all, before=NOW) == 0


def test_a_store_that_another_database_names_is_left_alone(file_store: Path) -> None:
    paths = [files.path_of(files.put(word)) for word in (b"a", b"b", b"c")]
    for path in paths:
        os.utime(path, (0, 0))
    for named in (set(), {paths[0].name}):
        with pytest.raises(files.ForeignStore):
            files.drop_unnamed(named, before=NOW)
    assert all(path.exists() for path in paths)
    assert files.drop_unnamed({path.name for path in paths[:2]}, before=NOW) == 1


def test_who_puts_it_just_then_keeps_it(file_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at a file's age and its removal somebody puts the same bytes."""
    path = files.path_of(files.put(b"hello"))
    os.utime(path, (0, 0))
    real = Path.rename

    def late(self: Path, target: Path) -> Path:
        if self == path:
            files.put(b"hello")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", late)
    assert files.drop_unnamed({"another"}, before=NOW) == 0
    assert files.get(HELLO) == b"hello"
    assert list(path.parent.iterdir()) == [path]


def test_damage_is_seen_and_mended(file_store: Path) -> None:
    files.put(b"hello")
    files.path_of(HELLO).write_bytes(b"hellO")
    with pytest.raises(files.FileUnusable) as caught:
        files.get(HELLO)
    assert caught.value.code == "file_damaged"
    assert "повреждён" in caught.value.text("ru")
    files.put(b"hello")
    assert files.get(HELLO) == b"hello"


def test_a_missing_file_is_named(file_store: Path) -> None:
    with pytest.raises(files.FileUnusable) as caught:
        files.get(HELLO)
    assert (caught.value.code, HELLO in str(caught.value)) == ("file_missing", True)


@pytest.mark.parametrize("digest", ["", "..", "../../etc/passwd", HELLO.upper(), f"{HELLO}\n"])
def test_only_hashes_name_files(file_store: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        files.get(digest)


def test_a_crash_before_the_rename_leaves_no_file(
    file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        files.put(b"hello")
    assert list((file_store / HELLO[:2]).iterdir()) == []


def test_without_a_folder_nothing_is_stored(
    file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_folder", [])
    with pytest.raises(files.NoStore):
        files.put(b"hello")


def test_a_new_folder_is_named_on_the_disk_before_anything_is_in_it(
    file_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(
        files, "sync", lambda folder: flushed.append((folder, sorted(os.listdir(folder))))
    )
    files.put(b"named")
    digest = hashlib.sha256(b"named").hexdigest()
    assert (file_store, [digest[:2]]) in flushed
    assert flushed[-1] == (file_store / digest[:2], [digest])
