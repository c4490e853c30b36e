"""Hearing NOTIFY on the event loop, by a connection that is made anew when it is lost."""

import asyncio
import logging
from collections.abc import Callable

import psycopg

from kvit.platform.connection import conninfo
from kvit.platform.db.roles import APP_ROLE, access

RETRY_S = 2.0

_log = logging.getLogger("kvit.live")


async def hear(channel: str, told: Callable[[str], None], missed: Callable[[], None]) -> None:
    """Call `told` with each notification, until cancelled.

    `missed` is called when the hearing begins, and begins again: what was told before is unknown.
    """
    while True:
        try:
            where = conninfo(access(), APP_ROLE)
            connection = await psycopg.AsyncConnection.connect(where, autocommit=True)
            async with connection:
                await connection.execute(f"LISTEN {channel}")
                missed()
                async for notice in connection.notifies():
                    told(notice.payload)
        except (psycopg.Error, OSError) as error:
            _log.warning("the live connection was lost and is made anew: %s", error)
        await asyncio.sleep(RETRY_S)
