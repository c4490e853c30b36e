"""A database that is put back to how it stood: ten times faster than a copy of it is made.

What its tables held is kept in memory; a table that no longer reads the same is emptied and filled
again, by a superuser and with its triggers asleep: what comes back is whole by itself. Sequences
go back as well. So every try begins with the same rows, and a commit between two tries is undone.
"""

from typing import Any

import psycopg
from psycopg import sql

_TABLES = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"""
_SEQUENCES = """
    SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename),
           coalesce(last_value, start_value), last_value IS NOT NULL
    FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"""
_ASLEEP = "SET LOCAL session_replication_role = replica"


class Rewound:
    """Remembers a database through a superuser's connection to it; nobody else writes there."""

    def __init__(self, superuser: psycopg.Connection[Any]) -> None:
        self._db = superuser
        names = [sql.Identifier(name) for (name,) in superuser.execute(_TABLES)]
        one = sql.SQL("SELECT {}, md5(coalesce(string_agg(t::text, '|'), '')) FROM {} t")
        self._asked = sql.SQL(" UNION ALL ").join(
            one.format(sql.Literal(name.as_string().strip('"')), name) for name in names
        )
        self._prints = self._read()
        self._sequences = superuser.execute(_SEQUENCES).fetchall()
        self._rows = {name: self._copied(name) for name in self._prints}

    def back(self) -> None:
        """Put everything back."""
        now = self._read()
        changed = [name for name, before in self._prints.items() if now[name] != before]
        with self._db.transaction(), self._db.cursor() as cursor:
            cursor.execute(_ASLEEP)
            for name in changed:
                table = sql.Identifier(name)
                cursor.execute(sql.SQL("DELETE FROM {}").format(table))
                words = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(table)
                with cursor.copy(words) as copy:
                    copy.write(self._rows[name])
            for told in self._sequences:
                cursor.execute("SELECT setval(%s::regclass, %s, %s)", told)

    def _read(self) -> dict[str, str]:
        return dict(self._db.execute(self._asked).fetchall())

    def _copied(self, name: str) -> bytes:
        words = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(name))
        with self._db.cursor() as cursor, cursor.copy(words) as copy:
            return b"".join(bytes(block) for block in copy)
