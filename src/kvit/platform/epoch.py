"""How often a database was restored, and whether its workers may go on.

A restore brings back what was to be sent, and forgets what was sent after the backup: a worker that
went on by itself would send it again, to clients too where the copy was meant for a trial. So a
restored database is held until a person says otherwise (`kvit db resume`). Whoever fetches jobs or
deliveries asks in the same statement, so a worker that lives through a restore is held too.

Both stand in a parameter of the database, `kvit.epoch`, which no dump holds: "3 held", then "3".
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from kvit.platform.connection import conninfo
from kvit.platform.db.roles import APP_ROLE, OWNER_ROLE, Access
from kvit.platform.failures import Failure

LOOK_S = 2.0
_HELD = "held"
# What stands, as SQL. Not current_setting(): a session keeps what it was told as it began.
STANDS = """
    coalesce((
        SELECT split_part(one, '=', 2) FROM pg_db_role_setting, unnest(setconfig) AS one
        WHERE setrole = 0 AND starts_with(one, 'kvit.epoch=')
          AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    ), '1')
"""
IS_HELD = f"right({STANDS}, {len(_HELD)}) = '{_HELD}'"

WORDS = {
    "restored_and_held": (
        "База восстановлена из копии: исполнители стоят, чтобы не отправить и не выставить ещё раз"
        " то, что ушло после копии. Проверьте данные и отпустите их: {resume}.",
        "The database was restored from a backup: workers stand still, lest what went out after the"
        " backup go out again. Look at the data, then let them go on: {resume}.",
    ),
}


class Held(Failure):
    """Workers of a restored database wait for a person."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Epoch:
    """`number` is one more than how often the database was restored."""

    number: int = 1
    is_held: bool = False

    def __str__(self) -> str:
        return f"{self.number} {_HELD}" if self.is_held else str(self.number)

    @classmethod
    def read(cls, text: str | None) -> "Epoch":
        """Read what `str` wrote; nothing is the first epoch."""
        number, _, word = (text or "1").partition(" ")
        return cls(int(number), word == _HELD)


def epoch(access: Access, role: str = OWNER_ROLE) -> Epoch:
    """Return the epoch that the database is in."""
    with psycopg.connect(conninfo(access, role)) as connection:
        row = connection.execute(f"SELECT {STANDS}").fetchone()
    return Epoch.read(row[0] if row else None)


def change(access: Access, to: Epoch) -> None:
    """Set the epoch, as the owner."""
    with psycopg.connect(conninfo(access, OWNER_ROLE)) as connection:
        connection.execute(statement(access, to))


def statement(access: Access, to: Epoch) -> sql.Composed:
    """Return the statement by which the owner sets the epoch."""
    return sql.SQL("ALTER DATABASE {} SET kvit.epoch = {}").format(
        sql.Identifier(access.database), sql.Literal(str(to))
    )


def resume(access: Access) -> bool:
    """Let workers go on; return whether they were held."""
    found = epoch(access)
    if found.is_held:
        change(access, Epoch(found.number))
    return found.is_held


def held() -> Held:
    """Return what is told while workers wait."""
    return Held("restored_and_held", resume="kvit db resume")


def wait_for_leave(access: Access, tell: Callable[[Held], None]) -> None:
    """Come back once workers may go on; what they wait for is told once."""
    is_told = False
    while epoch(access, APP_ROLE).is_held:
        if not is_told:
            tell(held())
            is_told = True
        time.sleep(LOOK_S)
