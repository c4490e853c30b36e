"""Tables in memory with transactions: read committed, row locks, unique keys, all or nothing.

It models what the services rely on of PostgreSQL and no more: a transaction sees what is committed
and what it wrote itself; a lock is held until its end; of two that insert one key the later to
commit fails whole. That PostgreSQL is like this, `race` and `crash` ask of PostgreSQL.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any


class KeyTaken(Exception):
    """Somebody else has committed a row of that key: the transaction is rolled back."""


@dataclass(slots=True)
class Store:
    """What is committed. `news` are the rows of the last commit."""

    tables: defaultdict[str, dict[Hashable, Any]] = field(default_factory=lambda: defaultdict(dict))
    locks: dict[Hashable, "Transaction"] = field(default_factory=dict)
    commits: int = 0
    news: list[tuple[str, Hashable, Any]] = field(default_factory=list)

    def table(self, name: str) -> dict[Hashable, Any]:
        return self.tables[name]


@dataclass(slots=True, eq=False)
class Transaction:
    """Writes that nobody else sees until `commit`, and locks until its end."""

    store: Store
    inserts: dict[tuple[str, Hashable], Any] = field(default_factory=dict)
    updates: dict[tuple[str, Hashable], Any] = field(default_factory=dict)
    held: list[Hashable] = field(default_factory=list)

    def takes(self, key: Hashable) -> bool:
        """Take a lock if nobody else has it."""
        holder = self.store.locks.get(key)
        if holder is None:
            self.store.locks[key] = self
            self.held.append(key)
        return holder is None or holder is self

    def get(self, table: str, key: Hashable) -> Any:
        own = self.updates.get((table, key))
        if own is None:
            own = self.inserts.get((table, key))
        return self.store.table(table).get(key) if own is None else own

    def insert(self, table: str, key: Hashable, row: Any) -> None:
        """Write a row of a key that nobody has.

        Raises:
            KeyTaken: see the class.
        """
        if key in self.store.table(table) or (table, key) in self.inserts:
            raise KeyTaken(f"{table} {key}")
        self.inserts[table, key] = row

    def put(self, table: str, key: Hashable, row: Any) -> None:
        """Write a row whatever stands; the caller holds its lock."""
        self.updates[table, key] = row

    def commit(self) -> None:
        """Make everything true at once.

        Raises:
            KeyTaken: a key was taken meanwhile; nothing was done.
        """
        for table, key in self.inserts:
            if key in self.store.table(table):
                self.rollback()
                raise KeyTaken(f"{table} {key}")
        self.store.news = list(self._rows())
        for table, key, row in self.store.news:
            self.store.table(table)[key] = row
        self.store.commits += 1
        self._end()

    def rollback(self) -> None:
        self._end()

    def _rows(self) -> Iterator[tuple[str, Hashable, Any]]:
        for rows in (self.inserts, self.updates):
            for (table, key), row in rows.items():
                yield table, key, row

    def _end(self) -> None:
        for key in self.held:
            del self.store.locks[key]
        self.held, self.inserts, self.updates = [], {}, {}
