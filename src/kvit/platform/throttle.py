"""Limits that hold across processes: a bucket of tokens for each name, taken in one statement.

    wait_s = take("mail:reset:" + address, capacity=5, every_s=60)
    if wait_s: ...                             # come back after so many seconds

A bucket holds at most `capacity` tokens and gets one back every `every_s` seconds of real time.
Kept is only the moment when it will be full again: a bucket of 5 that is full in 120 s, with a
token a minute, holds 3.
"""

import math

from django.db import connection

# Callers at once wait for the row in a line, so no token is taken twice.
_TAKE = """
    INSERT INTO platform_tokenbucket AS b (name, full_at)
    VALUES (%(name)s, clock_timestamp() + %(taken)s * interval '1 second')
    ON CONFLICT (name) DO UPDATE
    SET full_at = greatest(b.full_at, clock_timestamp()) + %(taken)s * interval '1 second'
    WHERE greatest(b.full_at, clock_timestamp()) + %(taken)s * interval '1 second'
       <= clock_timestamp() + %(capacity)s * %(every)s * interval '1 second'
    RETURNING xmax = 0 AS is_new"""
_WAIT = """
    SELECT extract(epoch FROM full_at - clock_timestamp()) + %(taken)s - %(capacity)s * %(every)s
    FROM platform_tokenbucket WHERE name = %(name)s"""
_SWEEP = """
    DELETE FROM platform_tokenbucket WHERE name IN (
      SELECT name FROM platform_tokenbucket
      WHERE full_at < clock_timestamp() AND name <> %(name)s
      ORDER BY full_at LIMIT 20 FOR UPDATE SKIP LOCKED)"""


def take(name: str, *, capacity: int, every_s: float, count: int = 1) -> int:
    """Take a token, or so many; returns 0, or after how many seconds there will be as many.

    Call it outside of a transaction that may be rolled back: what was tried counts.
    """
    values = {
        "name": name[:200], "capacity": capacity, "every": every_s, "taken": count * every_s
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        if taken := cursor.fetchone():
            if taken[0]:  # whoever adds a bucket takes away others that are full again
                cursor.execute(_SWEEP, values)
            return 0
        cursor.execute(_WAIT, values)
        found = cursor.fetchone()
    return max(1, math.ceil(found[0])) if found else 1
