"""As whom the server runs. PostgreSQL refuses root, and rightly so.

Kvit runs as        the data folder is of     the server runs as
a user              that user                 that user
root                a user                    that user (so `sudo kvit` spoils nothing)
root                root                      "nobody" seen from inside, root on the disk:
                                              a user namespace of its own (unshare); no file
                                              changes hands, and a 0700 home is no obstacle
root, and user namespaces are forbidden       nobody, to whom the data folder is given
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kvit.platform.embedded.binaries import program
from kvit.platform.embedded.folder import DataFolder
from kvit.platform.failures import Failure

NOBODY = 65534
UNSHARE = ("unshare", "-U", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")

WORDS = {
    "out_of_reach": (
        "PostgreSQL нельзя запускать от root, а пользователю {user} недоступна {path}."
        " Запустите Квит обычным пользователем или держите код и данные (KVIT_DATA) там, куда"
        " этот пользователь может войти, например в /opt и /var/lib.",
        "PostgreSQL may not run as root, and the user {user} cannot reach {path}."
        " Run Kvit as an ordinary user, or keep code and data (KVIT_DATA) where that user can"
        " enter, such as /opt and /var/lib.",
    ),
}


class OutOfReach(Failure):
    """The account that must run the server cannot enter its folders."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Account:
    """How to start a program of PostgreSQL: a prefix of words, or another user."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def popen(self, words: Sequence[str | Path], **options: Any) -> "subprocess.Popen[bytes]":
        """Start a program under this account, from the root folder."""
        if self.uid is not None:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return subprocess.Popen([*self.prefix, *map(str, words)], cwd="/", **options)

    def run(self, words: Sequence[str | Path], output: IO[bytes] | int) -> int:
        """Run a program to its end and return its status."""
        with self.popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
            return process.wait()


def account_of(folder: DataFolder) -> Account:
    """Choose the account by the table above. Only the last row changes anything on the disk.

    Raises:
        OutOfReach: the account cannot reach the programs or the data.
    """
    if os.geteuid() != 0:
        return Account()
    owner = folder.root.stat()
    if owner.st_uid == 0:
        if _namespaces_allowed():
            return Account(prefix=UNSHARE)
        _give_away(folder.root)
        owner = folder.root.stat()
    account = Account(uid=owner.st_uid, gid=owner.st_gid)
    _check_reach(account, program("postgres"), [program("postgres"), "--version"])
    _check_reach(account, folder.root, ["ls", folder.root])
    return account


def _namespaces_allowed() -> bool:
    try:
        done = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def _give_away(root: Path) -> None:
    for folder, _, files in os.walk(root):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _check_reach(account: Account, path: Path, words: Sequence[str | Path]) -> None:
    try:
        status = account.run(words, subprocess.DEVNULL)
    except OSError:
        status = -1
    if status != 0:
        raise OutOfReach("out_of_reach", user=f"uid {account.uid}", path=path)
