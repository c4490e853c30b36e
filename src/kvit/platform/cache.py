"""Django's cache in PostgreSQL: what rate limits and used codes are kept in.

All processes of an installation see the same entries, so a limit holds for all of them together,
and `add` is true for exactly one caller. Values are JSON. Limits are counted in real time.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection

_SWEPT = 20  # expired entries that a write takes along
_SET = """
    INSERT INTO platform_cacheentry (key, value, expires_at) VALUES (%s, %s, %s)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"""
_ADD = f"{_SET} WHERE platform_cacheentry.expires_at <= clock_timestamp()"
_SWEEP = """
    DELETE FROM platform_cacheentry WHERE key IN (
      SELECT key FROM platform_cacheentry WHERE expires_at <= clock_timestamp()
      ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)"""


class PostgresCache(BaseCache):
    """A cache whose entries are rows of `platform_cacheentry`."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Set unless it stands; of callers at once exactly one is told True."""
        return self._write(_ADD, key, value, timeout, version)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT value FROM platform_cacheentry"
                " WHERE key = %s AND expires_at > clock_timestamp()",
                [self.make_and_validate_key(key, version=version)],
            )
            found = cursor.fetchone()
        return default if found is None else json.loads(found[0])

    def set(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._write(_SET, key, value, timeout, version)

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._changed(
            "UPDATE platform_cacheentry SET expires_at = %s"
            " WHERE key = %s AND expires_at > clock_timestamp()",
            [self._until(timeout), self.make_and_validate_key(key, version=version)],
        )

    def delete(self, key: str, version: int | None = None) -> bool:
        return self._changed(
            "DELETE FROM platform_cacheentry WHERE key = %s",
            [self.make_and_validate_key(key, version=version)],
        )

    def clear(self) -> None:
        self._changed("DELETE FROM platform_cacheentry", [])

    def _write(self, statement: str, key: str, value: Any, timeout: Any, version: Any) -> bool:
        named = self.make_and_validate_key(key, version=version)
        self._changed(_SWEEP, [_SWEPT])
        return self._changed(statement, [named, json.dumps(value), self._until(timeout)])

    def _until(self, timeout: Any) -> datetime:
        lasts = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        if lasts is None:
            return datetime.max.replace(tzinfo=UTC)
        return datetime.now(UTC) + timedelta(seconds=lasts)

    def _changed(self, statement: str, values: list[Any]) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return bool(cursor.rowcount)
