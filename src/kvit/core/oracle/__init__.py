"""The slow oracle: prices a document of the quote contract the plain way.

    price_document({"model": "per_unit", "unit": "2"}, {"units": "3"}) == Answer(exact=6, minor=600)

It reads the DEFINITION of a price, never what the engine compiles from it, and shares no code with
the engine: unit by unit, event by event, stretch by stretch of time. Where a number is too large
to be walked, it falls back to the same rule for a whole stretch, and says so beside it.
Tests compare the engine with it, and `kvit verify` recomputes a sample of charges by it.

Source: the quote contract (docs/reference/quote.md). It prices sound documents; what the contract
leaves open is not asked of it.
"""

from kvit.core.oracle.answers import Answer, NoBand, NoPrice
from kvit.core.oracle.whole import price_document

__all__ = ["Answer", "NoBand", "NoPrice", "price_document"]
