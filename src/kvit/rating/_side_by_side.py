"""Members of one shape priced range by range of their usage, by several threads.

Decoding lets go of Python's lock; pricing takes and leaves it hundreds of times, and of two threads
that price each waits for the other each time. So one decodes while the other prices. What comes out
does not depend on how many there are: ranges are the same, and come in their order.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import chain, islice
from threading import BoundedSemaphore

from kvit.core.catalogue import Catalogue
from kvit.core.columnar import NotColumnar
from kvit.core.columnar.plain import carrying
from kvit.metering.queries import UsageRange
from kvit.platform import allocation
from kvit.rating._columns import Sheet, reads_of, sheet_of
from kvit.rating._counted import Levels
from kvit.rating._due import looked_back
from kvit.rating._own import own_prices
from kvit.rating._plain import Group, Member, Shape

Priced = tuple[Sheet, Sequence[Member]]


def read_from(shape: Shape, catalogue: Catalogue) -> datetime:
    """Return since when usage is looked at: before the period, where a meter goes on from there."""
    start = shape.service.start
    return looked_back(start) if carrying(shape.charges, catalogue) else start


def priced(
    group: Group, ranges: Iterable[UsageRange], catalogue: Catalogue, *, threads: int
) -> Iterator[Priced]:
    """Price the members of each range; those that must be rated by themselves are `left`.

    Args:
        ranges: of all the members, in their order.
        threads: that read and price, where there are several ranges.
    """
    allocation.keep_what_is_freed()
    members = iter(group.members)
    parts = ((one, list(islice(members, len(one.subjects)))) for one in ranges)
    begun = list(islice(parts, 2))
    pricing = BoundedSemaphore(max(threads // 2, 1))
    one_by_one = partial(_priced, group.shape, catalogue, pricing)
    if threads < 2 or len(begun) < 2:
        found: Iterator[Priced | None] = map(one_by_one, chain(begun, parts))
        yield from (one for one in found if one is not None)
        return
    with ThreadPoolExecutor(threads) as hands:
        found = hands.map(one_by_one, chain(begun, parts))  # parts go on while the first are priced
        yield from (one for one in found if one is not None)


def _priced(
    shape: Shape,
    catalogue: Catalogue,
    pricing: BoundedSemaphore,
    part: tuple[UsageRange, Sequence[Member]],
) -> Priced | None:
    """Price the members of a range; None where columns cannot: all of them are left then."""
    range_, members = part
    service, charges = shape.service, shape.charges
    reads = reads_of(charges, catalogue)
    levels = None
    if meters := carrying(charges, catalogue):
        before = range_.read(read_from(shape, catalogue), service.start, meters=meters, reads=reads)
        levels = Levels.of(before, service, shape.contract.zone)
    usage = range_.read(service.start, service.end, reads=reads)
    with pricing:
        owns, odd = own_prices(shape, members)
        try:
            sheet = sheet_of(
                charges, range_.subjects, usage, catalogue, shape.contract.currency, owns, levels,
                shape.contract.zone,
            )  # fmt: skip
        except NotColumnar:
            return None
    sheet.left |= odd
    return sheet, members
