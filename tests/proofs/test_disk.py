"""What a modelled disk has when power comes back: by each of the losses, of a file and of names."""

from pathlib import Path

from kvit.web.prove.disk import HALF, KILLED, LAST_NAME, NOTHING, Disk, Loss, Tree, read


def left_by(root: Path, loss: Loss) -> Tree:
    """A file that was flushed gets four bytes more; then two flushed files get names, the second
    of them that of a third; their folder is not flushed."""
    for name, content in (("log", b"1234"), ("newest", b"old"), ("x", b"one"), ("y", b"two")):
        (root / name).write_bytes(content)
    disk = Disk(root)
    (root / "log").write_bytes(b"12345678")
    for name, to in (("x", "first"), ("y", "newest")):
        (root / name).rename(root / to)
        disk.moved(root / name, root / to)
    assert not disk.is_safe()
    disk.cut(loss)
    return read(root)


def test_whoever_is_killed_alone_loses_nothing(tmp_path: Path) -> None:
    assert left_by(tmp_path, KILLED) == {"log": b"12345678", "first": b"one", "newest": b"two"}


def test_what_was_not_flushed_is_lost_with_the_power(tmp_path: Path) -> None:
    before = {"log": b"1234", "newest": b"old", "x": b"one", "y": b"two"}
    assert left_by(tmp_path, NOTHING) == before


def test_a_half_of_it_may_be_there_and_every_name(tmp_path: Path) -> None:
    assert left_by(tmp_path, HALF) == {"log": b"123456", "first": b"one", "newest": b"two"}


def test_a_later_name_may_be_there_and_none_before_it(tmp_path: Path) -> None:
    assert left_by(tmp_path, LAST_NAME) == {"log": b"1234", "newest": b"two", "x": b"one"}


def test_a_name_that_went_and_a_folder_that_was_made_may_be_the_last(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    disk = Disk(tmp_path)
    (tmp_path / "made").mkdir()
    disk.made(tmp_path / "made")
    (tmp_path / "old").unlink()
    disk.gone(tmp_path / "old")
    disk.cut(LAST_NAME)
    assert read(tmp_path) == {}


def test_names_of_a_folder_that_was_flushed_stay(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"one")
    disk = Disk(tmp_path)
    (tmp_path / "x").rename(tmp_path / "y")
    disk.moved(tmp_path / "x", tmp_path / "y")
    disk.flushed(tmp_path)
    assert disk.is_safe()
    (tmp_path / "made").mkdir()
    disk.made(tmp_path / "made")
    disk.cut(LAST_NAME)
    assert read(tmp_path) == {"made": None, "y": b"one"}
