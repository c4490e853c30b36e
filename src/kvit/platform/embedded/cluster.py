"""Making a new cluster: locale, passwords, configuration.

The locale is PostgreSQL's own C.UTF-8: the same order everywhere, and trigrams of Cyrillic words
(under plain C there are none). The build has no ICU, so people's order («Ё» after «Е») is made by
sort keys of the application.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

from kvit.platform import files
from kvit.platform.embedded.account import Account
from kvit.platform.embedded.binaries import program
from kvit.platform.embedded.folder import DataFolder
from kvit.platform.failures import Failure

MAJOR = "18"  # of the pinned wheel
SUPERUSER = "postgres"

# Passwords even for local connections: inside a user namespace every process of root looks like
# the same user, so "peer" would let anybody in.
ACCESS = """\
local  all          all  scram-sha-256
local  replication  all  scram-sha-256
"""

# What a person may change here; what the supervisor decides is given on the command line.
CONFIGURATION = """
shared_buffers = 256MB
work_mem = 16MB
# A bill run writes gigabytes: each checkpoint within it has pages logged whole once more.
max_wal_size = 4GB
wal_buffers = 64MB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
password_encryption = 'scram-sha-256'
wal_level = replica
# A log is read by more people than a database: no statements, no values of rows.
log_min_error_statement = panic
log_error_verbosity = terse
"""

WORDS = {
    "initdb_failed": (
        "Не удалось создать базу данных: {reason}. Подробности: {log}",
        "The database could not be created: {reason}. Details: {log}",
    ),
    "other_major": (
        "Данные в {path} созданы PostgreSQL {found}, а установлена {wanted}. Перенесите их:"
        " прежней версией Квита `kvit db backup`, новой `kvit db restore` в новую папку.",
        "The data in {path} were made by PostgreSQL {found}; {wanted} is installed. Carry them"
        " over: `kvit db backup` with the former Kvit, `kvit db restore` with this one.",
    ),
}


class ClusterUnusable(Failure):
    """There is no cluster to start."""

    words = WORDS


def make_cluster(folder: DataFolder, account: Account) -> bool:
    """Make the cluster unless it stands; say whether it was made. The caller holds the start lock.

    Raises:
        ClusterUnusable: initdb failed, or the cluster is of another major version.
    """
    version = folder.cluster / "PG_VERSION"
    if version.exists():
        found = version.read_text().strip()
        if found != MAJOR:
            raise ClusterUnusable("other_major", path=folder.cluster, found=found, wanted=MAJOR)
        return False
    for half in folder.root.glob("pg.new*"):  # of an initialisation that was killed
        shutil.rmtree(half, ignore_errors=True)
    # A name of its own: an initdb that outlived its killed caller may still write to the old one.
    new = Path(tempfile.mkdtemp(prefix="pg.new-", dir=folder.root))
    folder.give_to_owner(new)
    _initdb(folder, account, new)
    (new / "pg_hba.conf").write_text(ACCESS)
    with (new / "postgresql.conf").open("a") as conf:
        conf.write(CONFIGURATION)
        conf.flush()
        os.fsync(conf.fileno())
    new.rename(folder.cluster)
    files.sync(folder.root)
    return True


def _initdb(folder: DataFolder, account: Account, new: Path) -> None:
    with (
        tempfile.NamedTemporaryFile("w", dir=folder.root) as password,
        tempfile.TemporaryFile() as output,
    ):
        password.write(folder.secret(SUPERUSER) + "\n")
        password.flush()
        folder.give_to_owner(Path(password.name))
        words: list[str | Path] = [
            program("initdb"),
            f"--pgdata={new}",
            f"--username={SUPERUSER}",
            f"--pwfile={password.name}",
            "--auth-local=scram-sha-256",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--data-checksums",
            "--no-instructions",
        ]
        status = account.run(words, output.fileno())
        output.seek(0)
        said = output.read()
    if status != 0:
        with folder.log.open("ab") as log:
            log.write(said)
        lines = said.decode(errors="replace").strip().splitlines() or ["?"]
        telling = (line for line in lines if re.search("error|FATAL", line, re.IGNORECASE))
        reason = next(telling, lines[-1])
        raise ClusterUnusable("initdb_failed", reason=reason, log=folder.log)
