"""What one would write first: decode a batch, INSERT … ON CONFLICT DO NOTHING, commit, answer.

An ASGI application, served as Kvit is: msgspec decodes, `executemany` inserts row by row in one
transaction (psycopg sends them in a pipeline), a pool of connections serves requests side by side.
It checks no key, tells no repeat from a conflict and keeps no account of what it took. Under
`/together` the whole batch is arrays of one statement instead: about the most that a table of
PostgreSQL takes.
"""

import os
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from psycopg_pool import AsyncConnectionPool

CONNECTIONS = 8
TABLE = """
    CREATE TABLE bench_usage (tenant uuid, source text, id text, time timestamptz,
                              subscription text, meter text, value numeric,
                              PRIMARY KEY (tenant, source, id));
    CREATE INDEX ON bench_usage (tenant, subscription, meter, time, id)
"""
TOTAL = "SELECT count(*), sum(value) FROM bench_usage"
_INTO = "INSERT INTO bench_usage (tenant, source, id, time, subscription, meter, value)"
ONE = f"""
    {_INTO} VALUES ('00000000-0000-0000-0000-000000000001', 'api', %s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""
ALL = f"""
    {_INTO} SELECT '00000000-0000-0000-0000-000000000001', 'api', *
    FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::numeric[])
    ON CONFLICT DO NOTHING
"""


class Event(msgspec.Struct, gc=False):
    """An event as it is sent."""

    id: str
    meter: str
    time: datetime
    subscription: str
    value: Decimal


_decoder = msgspec.json.Decoder(list[Event])
_pool: list[AsyncConnectionPool[Any]] = []


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Take a batch in."""
    if scope["type"] != "http":
        return
    if not _pool:
        pool = AsyncConnectionPool(
            os.environ["BENCH_DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=False
        )
        _pool.append(pool)
        await pool.open(wait=True)
    body = b""
    while True:
        message = await receive()
        body += bytes(message["body"])
        if not message.get("more_body"):
            break
    if body:
        events = _decoder.decode(body)
        rows = [(one.id, one.time, one.subscription, one.meter, one.value) for one in events]
        async with _pool[0].connection() as connection, connection.cursor() as cursor:
            if scope["path"] == "/together":
                await cursor.execute(ALL, [list(column) for column in zip(*rows, strict=True)])
            else:
                await cursor.executemany(ONE, rows)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})
