"""Backups: the database and the stored documents together, and the way back.

    kvit-20261123T024500Z/
        manifest.json    what is inside: sizes and SHA-256 of everything, versions, the epoch
        log/             what was taken in bulk and not looked into yet
        database.dump    pg_dump's custom format, taken in one snapshot
        files/           the documents

The log comes first: what is taken up after that is in the dump, and what is in both is known by its
number. Then the dump, and the documents after it: they are named by their hash and never change, so
those that the dump speaks of are among them. A restore verifies every hash before it touches
anything, replaces the database in one transaction, and raises the epoch; workers wait then until a
person lets them go on (`platform.epoch`).
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

import psycopg

import kvit
from kvit.platform import durable_log
from kvit.platform.connection import conninfo
from kvit.platform.db.roles import OWNER_ROLE, Access
from kvit.platform.embedded.binaries import program
from kvit.platform.epoch import Epoch, change, epoch, statement
from kvit.platform.failures import Failure

FORMAT = 2  # 1 had no log
MANIFEST, DUMP, FILES, LOG = "manifest.json", "database.dump", "files", "log"
CHUNK_BYTES = 1024 * 1024
LOCK_TIMEOUT = "10s"
JOBS_S, LOOK_S = 60, 0.2  # so long jobs at work may take to end; between looks at them
SINCE_TRANSACTION_TIMEOUT = 170000  # a parameter that pg_dump 17 and later sets

WORDS = {
    "exists": ("{path} уже существует.", "{path} exists already."),
    "no_backup": (
        "{path}: это не резервная копия Квита ({reason}).",
        "{path} is no backup of Kvit ({reason}).",
    ),
    "damaged": (
        "Копия повреждена: {name} не совпадает с описью. Ничего не изменено.",
        "The backup is damaged: {name} differs from the manifest. Nothing was changed.",
    ),
    "not_empty": (
        "В базе уже есть данные. Чтобы заменить их копией, добавьте --force.",
        "The database already has data. To replace them with the backup, add --force.",
    ),
    "jobs_at_work": (
        "Исполнители заняты заданиями ({count}) и не отдали их за {seconds} с. Дождитесь конца или"
        " остановите их, затем повторите. База осталась прежней.",
        "Workers are at {count} jobs and did not end them in {seconds} s. Wait until they have, or"
        " stop them, then try again. The database is as it was.",
    ),
    "tool_failed": (
        "{tool}: {reason}. База осталась прежней.",
        "{tool}: {reason}. The database is as it was.",
    ),
}


class BackupFailed(Failure):
    """Nothing was saved, or nothing restored."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a backup."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says about itself."""

    made_at: str
    kvit: str
    postgresql: str
    epoch: int
    items: dict[str, Item] = field(default_factory=dict)
    format: int = FORMAT


def back_up(access: Access, files: Path, target: Path, *, now: datetime) -> Manifest:
    """Write a backup into the new folder `target`; it has its name only when it is whole.

    Raises:
        BackupFailed: the folder exists, or pg_dump failed.
    """
    if target.exists():
        raise BackupFailed("exists", path=target)
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    try:
        items = {}
        for place, content in durable_log.copies(durable_log.beside(files)):
            items[f"{LOG}/{place}"] = _write(content, part / LOG / place)
        # No owner's name inside: the role that restores owns what it makes.
        words = ["--format=custom", "--no-owner", f"--file={part / DUMP}"]
        _run("pg_dump", access, [*words, f"--dbname={_without_password(access)}"])
        items[DUMP] = _item(part / DUMP)
        for source in _walk(files):
            name = f"{FILES}/{source.relative_to(files).as_posix()}"
            # What no row names may be dropped meanwhile.
            with suppress(FileNotFoundError):
                items[name] = _copy(source, part / name)
        with psycopg.connect(conninfo(access, OWNER_ROLE)) as connection:
            version = connection.info.parameter_status("server_version") or "?"
        number = epoch(access).number
        manifest = Manifest(now.isoformat(), kvit.__version__, version, number, items)
        text = json.dumps(asdict(manifest), indent=1, ensure_ascii=False)
        (part / MANIFEST).write_text(text + "\n", encoding="utf-8")
        os.sync()
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return manifest


def restore(access: Access, files: Path, source: Path, *, force: bool) -> int:
    """Replace database and documents by those of a backup; return the new epoch, which is held.

    Documents that the backup does not know stay: they are named by their hash and harm nobody.

    Raises:
        BackupFailed: the backup is damaged, or there are data and no `force`, or workers do not end
            what they are at; nothing has changed.
    """
    manifest = verify(source)
    with psycopg.connect(conninfo(access, OWNER_ROLE)) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
    if row and row[0] and not force:
        raise BackupFailed("not_empty")
    _bring_back(manifest, FILES, source, files)
    before = epoch(access)
    new_epoch = max(manifest.epoch, before.number) + 1
    # Workers begin nothing from here on: what they were at would go on in another database.
    change(access, Epoch(before.number, is_held=True))
    try:
        _let_jobs_end(access)
        # The script is as large as the data: it lies beside them, not in /tmp, which may be memory.
        with tempfile.TemporaryDirectory(dir=files.parent) as folder:
            _replace_database(access, source / DUMP, new_epoch, Path(folder))
    except BaseException:
        change(access, before)
        raise
    # Last: a worker takes up what lies in the log, and is to find the database that was restored.
    _bring_back(manifest, LOG, source, durable_log.beside(files))
    return new_epoch


def verify(source: Path) -> Manifest:
    """Read a backup's manifest and check everything that it names.

    Raises:
        BackupFailed: it is no backup, or a byte of it has changed.
    """
    try:
        said = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        items = {name: Item(**item) for name, item in said.pop("items").items()}
        manifest = Manifest(**said, items=items)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupFailed("no_backup", path=source, reason=type(error).__name__) from error
    if manifest.format not in range(1, FORMAT + 1) or DUMP not in items:
        raise BackupFailed("no_backup", path=source, reason=f"format {manifest.format}")
    for name, item in items.items():
        is_known = name == DUMP or _is_inside(name)
        if not is_known or not (source / name).is_file() or _item(source / name) != item:
            raise BackupFailed("damaged", name=name)
    return manifest


def _bring_back(manifest: Manifest, kind: str, source: Path, folder: Path) -> None:
    """Copy a backup's items of a kind to where they belong. What is there stays as it is; but of a
    document, whose name is its hash, a damaged copy is replaced."""
    for name, item in manifest.items.items():
        target = folder / name.removeprefix(f"{kind}/")
        if not name.startswith(f"{kind}/"):
            continue
        if not target.exists() or (kind == FILES and _item(target) != item):
            _copy(source / name, target)


def _is_inside(name: str) -> bool:
    """Whether it names a file to be brought back: "files/ab/abc…", and nothing that a path makes
    more of."""
    kind, _, rest = name.partition("/")
    return kind in (FILES, LOG) and not Path(rest).is_absolute() and ".." not in Path(rest).parts


def _let_jobs_end(access: Access) -> None:
    """Wait until no worker is at a job."""
    # Jobs bring Django with them, which no other command of the database needs.
    from kvit.platform.leases import at_work

    until = time.monotonic() + JOBS_S
    try:
        with psycopg.connect(conninfo(access, OWNER_ROLE), autocommit=True) as connection:
            while count := at_work(connection, lock_timeout=LOCK_TIMEOUT):
                if time.monotonic() > until:
                    raise BackupFailed("jobs_at_work", count=count, seconds=JOBS_S)
                time.sleep(LOOK_S)
    except psycopg.errors.LockNotAvailable as error:
        reason = error.diag.message_primary
        raise BackupFailed("tool_failed", tool="restore", reason=reason) from error


def _replace_database(access: Access, dump: Path, new_epoch: int, folder: Path) -> None:
    """Drop what stands and load the dump, all in one transaction."""
    script, first, last = folder / "load", folder / "first", folder / "last"
    _run("pg_restore", access, ["--no-owner", f"--file={script}", str(dump)])
    first.write_text(
        f"SET lock_timeout = '{LOCK_TIMEOUT}';\n"
        "DROP SCHEMA public CASCADE;\n"
        "CREATE SCHEMA public AUTHORIZATION pg_database_owner;\n"
        "GRANT USAGE ON SCHEMA public TO PUBLIC;\n"
    )
    with psycopg.connect(conninfo(access, OWNER_ROLE)) as connection:
        command = statement(access, Epoch(new_epoch, is_held=True))
        last.write_text(f"{command.as_string(connection)};\n")
        if connection.info.server_version < SINCE_TRANSACTION_TIMEOUT:
            _comment_out(script, b"SET transaction_timeout")
    words = ["--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1"]
    words += [f"--file={path}" for path in (first, script, last)]
    _run("psql", access, [*words, f"--dbname={_without_password(access)}"])


def _comment_out(script: Path, statement: bytes) -> None:
    """Disarm a statement in the head of a script that an older server does not know."""
    with script.open("r+b") as file:
        at = file.read(4096).find(statement)
        if at >= 0:
            file.seek(at)
            file.write(b"--")


def _without_password(access: Access) -> str:
    """A connection string that may stand among a process's arguments, where anybody reads it."""
    parts = psycopg.conninfo.conninfo_to_dict(conninfo(access, OWNER_ROLE))
    parts.pop("password", None)
    return psycopg.conninfo.make_conninfo("", **parts)


def _run(tool: str, access: Access, words: list[str]) -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    if access.owner_password:
        environment["PGPASSWORD"] = access.owner_password
    done = subprocess.run(
        [program(tool), *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        reason = next((line for line in lines if "error" in line.lower()), "?")
        raise BackupFailed("tool_failed", tool=tool, reason=reason)


def _walk(folder: Path) -> Iterator[Path]:
    # A document that is just being written (.part) is of no fact that the dump knows.
    found = sorted(folder.rglob("*"))
    return (path for path in found if path.suffix != ".part" and path.is_file())


def _item(path: Path) -> Item:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source:
        for chunk in _chunks(source):
            digest.update(chunk)
            size += len(chunk)
    return Item(size, digest.hexdigest())


def _write(content: bytes, target: Path) -> Item:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.write_bytes(content)
    return Item(len(content), hashlib.sha256(content).hexdigest())


def _copy(source: Path, target: Path) -> Item:
    """Copy so that the target is whole or absent, hashing on the way."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_name(f"{target.name}.part")
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, part.open("wb") as writer:
        for chunk in _chunks(reader):
            digest.update(chunk)
            size += len(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    part.replace(target)
    return Item(size, digest.hexdigest())


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk
