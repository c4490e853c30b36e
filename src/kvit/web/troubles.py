"""Trouble that passes: a full disk, a database that is away, a statement that took too long.

Nobody's request is wrong then: pages and API say what to do instead of a fault of ours.
"""

import errno

from kvit.platform.failures import Failure

WORDS = {
    "server_disk_full": (
        "На диске сервера нет места. Освободите его и повторите через {seconds} с: что записано,"
        " цело.",
        "The disk of the server is full. Try again in {seconds} s, once there is room: what was"
        " written is whole.",
    ),
    "database_disk_full": (
        "На диске базы нет места: ничего не изменилось. Повторите через {seconds} с.",
        "The disk of the database is full: nothing was changed. Try again in {seconds} s.",
    ),
    "database_away": (
        "База сейчас недоступна. Откройте страницу снова через {seconds} с и, прежде чем повторить"
        " изменение, посмотрите, не сделано ли оно уже.",
        "The database is away for the moment. Open the page again in {seconds} s and, before you"
        " repeat a change, see whether it was made already.",
    ),
    "database_busy": (
        "То же самое как раз менял кто-то другой: ничего не изменилось. Повторите через"
        " {seconds} с.",
        "Somebody else was changing the same: nothing was changed. Try again in {seconds} s.",
    ),
    "took_too_long": (
        "Запрос шёл слишком долго, и мы его прервали: ничего не изменилось. Сузьте отбор или период"
        " либо повторите через {seconds} с.",
        "The request took too long and was broken off: nothing was changed. Narrow the filter or"
        " the period, or try again in {seconds} s.",
    ),
}


class Trouble(Failure):
    """The server cannot do it just now; the answer is 503 with `Retry-After`."""

    words = WORDS
    status = 503

    def __init__(self, code: str, /, *, seconds: int) -> None:
        super().__init__(code, seconds=seconds)
        self.headers = {"Retry-After": str(seconds)}


FULL = (errno.ENOSPC, errno.EDQUOT)
_DISK_FULL = Trouble("server_disk_full", seconds=30)
_AWAY = Trouble("database_away", seconds=10)
_BUSY = Trouble("database_busy", seconds=1)
# By SQLSTATE, or by its class where that is named alone (PostgreSQL, appendix A).
_TROUBLES = {
    "08": _AWAY,  # connection exceptions
    "25006": _AWAY,  # a server that only reads: another one is taking over
    "40001": _BUSY,
    "40P01": _BUSY,
    "53100": Trouble("database_disk_full", seconds=30),
    "53300": _AWAY,  # no connection left
    "55P03": _BUSY,
    "57014": Trouble("took_too_long", seconds=60),
    "57P": _AWAY,  # it shuts down, or is not up yet
}


def trouble_of(error: BaseException | None) -> Trouble | None:
    """Return which trouble that passes an exception tells of; None for any other."""
    if isinstance(error, OSError) and error.errno in FULL:
        return _DISK_FULL
    from django.db import DatabaseError, InterfaceError, OperationalError

    if not isinstance(error, (DatabaseError, InterfaceError)):
        return None
    state = getattr(error.__cause__, "sqlstate", None) or ""
    for length in (5, 3, 2):
        if state[:length] in _TROUBLES:
            return _TROUBLES[state[:length]]
    # A connection that cannot be made, or broke, has no state: no server was there to tell one.
    is_lost = isinstance(error, (OperationalError, InterfaceError)) and not state
    return _AWAY if is_lost else None
