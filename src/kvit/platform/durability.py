"""What the server really does with a commit: read back, never assumed.

A setting can be wrong in a file, on a command line, in a role or in a database; only SHOW in the
session that will write tells which one won.
"""

from collections.abc import Mapping

import psycopg

from kvit.platform.failures import Failure

SETTINGS = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "wal_level",
    "data_checksums",
    "synchronous_standby_names",
)
# A commit that these allow to be answered may be lost by a power cut.
UNSAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

WORDS = {
    "unsafe": (
        "PostgreSQL может потерять записанное при сбое питания: {found}. Исправьте и запустите"
        " снова; для пробной базы есть KVIT_DURABILITY=test.",
        "PostgreSQL may lose committed data in a power cut: {found}. Put it right and start again;"
        " for a scratch database there is KVIT_DURABILITY=test.",
    ),
}


class UnsafeDurability(Failure):
    """The effective settings of the server do not keep what was committed."""

    words = WORDS


def read(connection: "psycopg.Connection[tuple[object, ...]]") -> dict[str, str]:
    """Return the effective settings of this session."""
    columns = ", ".join(f"current_setting('{name}')" for name in SETTINGS)
    row = connection.execute(f"SELECT {columns}").fetchone()
    return dict(zip(SETTINGS, map(str, row or ()), strict=True))


def check(found: Mapping[str, str]) -> None:
    """Refuse settings under which a committed sum can vanish.

    Raises:
        UnsafeDurability: see the class.
    """
    unsafe = [f"{name} = {found[name]}" for name, value in UNSAFE.items() if found[name] == value]
    if unsafe:
        raise UnsafeDurability("unsafe", found=", ".join(unsafe))
