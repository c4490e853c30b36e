"""Prices of a subscription's own, in place of the plan's: one more table in a column each."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import orjson
from numpy.typing import NDArray

from kvit.core.catalogue import Catalogue
from kvit.core.columnar.plain import fits
from kvit.core.pricing import PriceError, parse_price
from kvit.core.pricing.compiled import Compiled
from kvit.core.pricing.price import compile_price
from kvit.rating._columns import Own
from kvit.rating._plain import Member, Shape

KNOWN = 50_000  # documents that are kept parsed


def own_prices(
    shape: Shape, members: Sequence[Member], catalogue: Catalogue
) -> tuple[dict[str, Own], NDArray[np.bool_]]:
    """Return, by price key, the prices of members that have their own, and which members have one
    that is not read in columns."""
    odd = np.zeros(len(members), np.bool_)
    having = [place for place, one in enumerate(members) if one.own]
    found: dict[str, Own] = {}
    if not having:
        return found, odd
    for pattern in shape.charges:
        stretch = pattern.stretch
        # A price within an add-on or a bundled plan has another key, and is nobody's own.
        if not stretch.terms.meter or stretch.key != stretch.terms.code:
            continue
        meter = catalogue.meters[stretch.terms.meter]
        prices = [compile_price(stretch.price)]
        places: dict[bytes, int] = {}
        which = np.zeros(len(members), np.int64)
        for member in having:
            document = members[member].own.get(stretch.key)
            if document is None:
                continue
            compiled = _compiled(document)
            if compiled is None or not fits(compiled, meter) or compiled.aggregation == "keys":
                odd[member] = True
                continue
            if document not in places:
                places[document] = len(prices)
                prices.append(compiled)
            which[member] = places[document]
        if places:
            found[stretch.key] = Own(prices, which)
    return found, odd


@lru_cache(maxsize=KNOWN)
def _compiled(document: bytes) -> Compiled | None:
    try:
        return compile_price(parse_price(orjson.loads(document)))
    except PriceError:
        return None
