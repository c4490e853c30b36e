"""The quote contract: a document in, a document out; no database, no clock.

    answer({"id": "q1", "currency": "RUB", "price": {"model": "flat", "amount": "10"}})
    → {"id": "q1", "currency": "RUB", "exact": "10", "amount": "10.00", "charges": […], …}

The command `kvit quote`, the HTTP API and price previews all call `answer`.
"""

from kvit.core.quote.documents import MAX_LINE, read_line, write_line
from kvit.core.quote.requests import answer, answer_line, refusal

__all__ = ["MAX_LINE", "answer", "answer_line", "read_line", "refusal", "write_line"]
