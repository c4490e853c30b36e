"""Worked cases of other systems, each under the preset of its system.

    quoted                  what the quote contract expresses, asked of `kvit.core.quote`
    usage_and_prices        aggregations, ceilings, minimums, prorated tiers
    rated                   trials and commitments, through the rating of a whole period
    periods_and_documents   shares of periods, coupons, credit notes, taxes, credits

`python -m tests.core.golden` writes docs/reference/worked-cases.md from them.
"""

from tests.core.golden import periods_and_documents, quoted, rated, usage_and_prices
from tests.core.golden.register import CASES

__all__ = ["CASES", "periods_and_documents", "quoted", "rated", "usage_and_prices"]
