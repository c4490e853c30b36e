"""Prices of a subscription's own, in place of the plan's: one more table in a column each."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import orjson
from numpy.typing import NDArray

from kvit.core.columnar import NotColumnar, ready
from kvit.core.columnar.prices import Ready
from kvit.core.pricing import PriceError, parse_price
from kvit.core.pricing.price import compile_price
from kvit.core.stretches import Stretch
from kvit.rating._plain import Member, Shape
from kvit.rating._reading import Own

KNOWN = 50_000  # documents that are kept parsed
_ODD = -1  # in place of a price that is not read in columns


def own_prices(shape: Shape, members: Sequence[Member]) -> tuple[dict[str, Own], NDArray[np.bool_]]:
    """Return, by price key, the prices of members that have their own, and which members have one
    that is not read in columns."""
    odd = np.zeros(len(members), np.bool_)
    # A price within an add-on or a bundled plan has another key, and is nobody's own.
    stretches = {
        one.stretch.key: one.stretch
        for one in shape.charges
        if one.stretch.terms.meter and one.stretch.key == one.stretch.terms.code
    }
    known = {key: _Known(one) for key, one in stretches.items()}
    for place, member in enumerate(members):
        if member.own:  # few have one
            for key, document in member.own.items():
                if key in known:
                    known[key].add(place, document)
    found = {}
    for key, one in known.items():
        if one.members:
            which = np.zeros(len(members), np.int64)
            which[one.members] = one.numbers
            odd |= which == _ODD
            plan_s = ready(compile_price(one.stretch.price))
            found[key] = Own([plan_s, *one.prices], np.maximum(which, 0))
    return found, odd


class _Known:
    """The prices in place of a plan's, each once, numbered from 1, and whose they are."""

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = stretch
        self.prices: list[Ready] = []
        self.members: list[int] = []
        self.numbers: list[int] = []
        self._places: dict[bytes, int] = {}

    def add(self, member: int, document: bytes) -> None:
        number = self._places.get(document)
        if number is None:
            number = self._places[document] = self._number_of(document)
        self.members.append(member)
        self.numbers.append(number)

    def _number_of(self, document: bytes) -> int:
        price = _ready(document)
        if price is None or not _is_read(price, self.stretch):
            return _ODD
        self.prices.append(price)
        return len(self.prices)


def _is_read(price: Ready, stretch: Stretch) -> bool:
    """Whether columns have what a price of a member's own reads: cells of another matrix are
    others, and of calls the plan's price has asked for numbers and times."""
    if price.reads == "sessions":
        return stretch.price.needs == "sessions"
    return price.reads != "keys"


@lru_cache(maxsize=KNOWN)
def _ready(document: bytes) -> Ready | None:
    """Return a price, laid out; None where it cannot be read, or not in columns."""
    try:
        return ready(compile_price(parse_price(orjson.loads(document))))
    except (PriceError, NotColumnar):
        return None
