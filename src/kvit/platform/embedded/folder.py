"""A data folder: what lies where, and the secrets generated for it.

    pg/           the cluster             secrets.json   passwords, mode 0600
    files/        stored documents        postgres.log   what the server and its guard say
    run/          the socket              reserve        space to give back on a full disk
    *.lock        see `server`            keep           stay up when nobody is left

The folder is private (0700), may be moved as a whole, and names no absolute path inside.
"""

import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kvit.platform.failures import Failure

SECRETS = ("postgres", "kvit_owner", "kvit_app", "django")
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 107  # bytes in sockaddr_un.sun_path, less its NUL
PRIVATE = 0o700
# A recovery writes the pages and a segment or two of log that the full disk had refused: 20 MB were
# not enough in trials, 48 were.
RESERVE_BYTES = 64 * 1024 * 1024

WORDS = {
    "data_not_writable": (
        "Папка данных {path} недоступна для записи: {reason}. Укажите другую в KVIT_DATA.",
        "The data folder {path} cannot be written: {reason}. Name another in KVIT_DATA.",
    ),
    "socket_folder_taken": (
        "Папка {path} принадлежит другому пользователю. Удалите её или укажите в KVIT_DATA путь"
        " покороче.",
        "The folder {path} belongs to another user. Remove it, or put a shorter path in KVIT_DATA.",
    ),
}


class FolderUnusable(Failure):
    """The data folder cannot be used by this account."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths of one data folder; making the object touches nothing."""

    root: Path

    @property
    def cluster(self) -> Path:
        return self.root / "pg"

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def log(self) -> Path:
        return self.root / "postgres.log"

    @property
    def reserve(self) -> Path:
        return self.root / "reserve"

    @property
    def keep(self) -> Path:
        return self.root / "keep"

    @property
    def prepared(self) -> Path:
        """Written when roles and database stand, so that a killed first start is gone on with."""
        return self.root / "prepared"

    def create(self) -> None:
        """Make the folder, for its owner alone.

        Raises:
            FolderUnusable: it cannot be made or written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
            if stat.S_IMODE(self.root.stat().st_mode) & 0o077:
                self.root.chmod(PRIVATE)
            self.files.mkdir(exist_ok=True, mode=PRIVATE)
            self.give_to_owner(self.files)
        except OSError as error:
            raise FolderUnusable(
                "data_not_writable", path=self.root, reason=error.strerror
            ) from error

    def give_to_owner(self, path: Path) -> None:
        """After root made something in a user's folder: the user must be able to use it."""
        owner = self.root.stat()
        if os.geteuid() == 0 and path.stat().st_uid != owner.st_uid:
            os.chown(path, owner.st_uid, owner.st_gid)

    def open_lock(self, name: str) -> int:
        """Open a lock file; the descriptor is closed by whoever asked, or by the kernel."""
        path = self.root / f"{name}.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderUnusable(
                "data_not_writable", path=self.root, reason=error.strerror
            ) from error
        self.give_to_owner(path)
        return descriptor

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock file for the length of a block; waits for whoever holds it."""
        descriptor = self.open_lock(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def secret(self, name: str) -> str:
        """Return a generated secret of this folder; all are made together, once."""
        path = self.root / "secrets.json"
        if not path.exists():
            self._make_secrets(path)
        value: str = json.loads(path.read_text())[name]
        return value

    def _make_secrets(self, path: Path) -> None:
        part = path.with_name(f"secrets.{os.getpid()}.part")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump({name: secrets.token_urlsafe(32) for name in SECRETS}, out)
            out.flush()
            os.fsync(out.fileno())
        self.give_to_owner(part)
        try:
            os.link(part, path)  # unlike a rename, never replaces what another process just made
        except FileExistsError:
            pass
        finally:
            part.unlink()

    def new_socket_folder(self) -> Path:
        """Return a private folder, short enough for a socket: run/, or one below /tmp.

        The latter is named after the data folder's inode, which survives a move.

        Raises:
            FolderUnusable: somebody else made the folder in /tmp before us.
        """
        path = self.root / "run"
        if len(os.fsencode(path / SOCKET)) > LONGEST_SOCKET:
            here = self.root.stat()
            name = hashlib.sha256(f"{here.st_dev}:{here.st_ino}".encode()).hexdigest()[:12]
            path = Path(f"/tmp/kvit-{here.st_uid}-{name}")
        if not path.is_symlink() and not path.exists():
            path.mkdir(mode=PRIVATE)
            self.give_to_owner(path)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.root.stat().st_uid:
            raise FolderUnusable("socket_folder_taken", path=path)
        path.chmod(PRIVATE)
        return path

    def socket_folder(self) -> Path | None:
        """Return where a running server listens, None if it never started.

        A folder that was moved under a running server has its socket moved along.
        """
        moved = self.root / "run"
        if (moved / SOCKET).exists():
            return moved
        lines = self.postmaster_lines()
        return Path(lines[4]) if len(lines) > 4 and lines[4] else None

    def postmaster_lines(self) -> list[str]:
        """Return the lines of postmaster.pid: pid, data, start time, port, socket folder, …"""
        try:
            return (self.cluster / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []

    def fill_reserve(self) -> None:
        """Keep some space to give back on a full disk, where the disk has plenty."""
        free = os.statvfs(self.root)
        if self.reserve.exists() or free.f_bavail * free.f_frsize < 2 * RESERVE_BYTES:
            return
        with self.reserve.open("wb") as out:
            out.write(os.urandom(RESERVE_BYTES))  # zeros might be compressed to nothing
        self.give_to_owner(self.reserve)
