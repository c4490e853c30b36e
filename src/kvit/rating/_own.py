"""Prices of a subscription's own, in place of the plan's: one more table in a column each."""

from collections.abc import Iterable, Sequence
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
    asked: dict[str, list[tuple[int, bytes]]] = {key: [] for key in stretches}
    for place, own in [(n, one.own) for n, one in enumerate(members) if one.own]:  # few have one
        for key, document in own.items():
            if key in asked:
                asked[key].append((place, document))
    found = {}
    for key, told in asked.items():
        if told:
            prices, numbers = _numbered(dict.fromkeys(one for _, one in told), stretches[key])
            which = np.zeros(len(members), np.int64)
            which[[place for place, _ in told]] = [numbers[one] for _, one in told]
            odd |= which == _ODD
            plan_s = ready(compile_price(stretches[key].price))
            found[key] = Own([plan_s, *prices], np.maximum(which, 0))
    return found, odd


def _numbered(documents: Iterable[bytes], stretch: Stretch) -> tuple[list[Ready], dict[bytes, int]]:
    """Return the prices in place of a plan's, each once, and their numbers from 1."""
    prices: list[Ready] = []
    numbers = {}
    for one in documents:
        price = _ready(one)
        if price is None or not _is_read(price, stretch):
            numbers[one] = _ODD
        else:
            prices.append(price)
            numbers[one] = len(prices)
    return prices, numbers


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
