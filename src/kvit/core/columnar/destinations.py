"""The longest prefix of many numbers at once: prefixes flattened to sorted ranges.

A worked example, prefixes 7 → A, 7495 → B, of numbers by their keys (see `digits`):

    from "7" A · from "7495" B · from "7496" A · from "8" nobody
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kvit.core.columnar.digits import BASE, CHUNK, DIGITS, NOBODY, key_of
from kvit.core.columnar.exact import NotColumnar
from kvit.core.columnar.runs import Rows

_HEADS: Final = 5  # digits by which most numbers are told
_TAIL: Final = BASE ** (DIGITS - _HEADS)
_MIXED: Final = -2


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Which route takes a number: `routes[i]` from `bounds[i]` up to the next bound."""

    bounds: Rows
    routes: Rows
    heads: NDArray[np.int32]  # by the first five digits: the route, or that more are asked for
    known: tuple[tuple[str, int], ...]  # every prefix, sorted: for what is not digits alone

    @classmethod
    def of(cls, known: Sequence[tuple[str, int]]) -> "Prefixes":
        """Flatten prefixes, given with their routes.

        Raises:
            NotColumnar: a prefix is longer than a key.
        """
        if any(len(prefix) > DIGITS for prefix, _ in known):
            raise NotColumnar("a prefix of more than 18 digits")
        digits = [one for one in sorted(known) if key_of(one[0]) != NOBODY]
        found = {0: NOBODY}
        open_: list[tuple[int, int]] = [(BASE**DIGITS, NOBODY)]  # where each ends, its route

        def close(until: int) -> None:
            while open_[-1][0] <= until:
                end, _ = open_.pop()
                found[end] = open_[-1][1]

        for prefix, route in digits:  # sorted: what holds a prefix comes before it
            begin = key_of(prefix)
            close(begin)
            found[begin] = route
            open_.append((begin + BASE ** (DIGITS - len(prefix)), route))
        close(BASE**DIGITS - 1)
        bounds = sorted(found)
        sorted_bounds = np.array(bounds, np.int64)
        routes = np.array([found[one] for one in bounds], np.int64)
        edges = np.arange(BASE**_HEADS, dtype=np.int64) * _TAIL
        first = np.searchsorted(sorted_bounds, edges, side="right") - 1
        last = np.searchsorted(sorted_bounds, edges + (_TAIL - 1), side="right") - 1
        heads = np.where(first == last, routes[first], _MIXED).astype(np.int32)
        return cls(sorted_bounds, routes, heads, tuple(sorted(known)))

    def of_keys(self, keys: Rows) -> Rows:
        """Return the route of each number that is digits alone; −1: no prefix fits."""
        found = np.empty(len(keys), np.int64)
        for first in range(0, len(keys), CHUNK):
            some = keys[first : first + CHUNK]
            routes = self.heads[some // _TAIL].astype(np.int64)
            mixed = np.flatnonzero(routes == _MIXED)
            at = np.searchsorted(self.bounds, some[mixed], side="right") - 1
            routes[mixed] = self.routes[at]
            found[first : first + CHUNK] = routes
        return found

    def of_text(self, number: str) -> int:
        """Return the route of any one text, by the longest prefix there is."""
        for length in range(len(number), -1, -1):
            wanted = number[:length]
            at = bisect_left(self.known, (wanted, 0))
            if at < len(self.known) and self.known[at][0] == wanted:
                return self.known[at][1]
        return NOBODY
