"""Usage and prices as arrays: what the evaluator says of one quantity, said of many at once.

Arrays in, arrays out, integers throughout. Events are sorted by (key, time); a run is the rows of
one key. `runs` turns runs into units, `prices` and `tables` turn units into exact sums by the same
`Compiled` prices that the evaluator reads. 64 bits where the range is proven beforehand, Python's
integers (arrays of objects) beyond: slower, never otherwise. What is not of these shapes raises
`NotColumnar`, and the caller asks the evaluator.
"""

from kvit.core.columnar.exact import Exact, NotColumnar
from kvit.core.columnar.prices import charge, is_columnar, ready
from kvit.core.columnar.runs import Runs
from kvit.core.columnar.tables import Sums

__all__ = ["Exact", "NotColumnar", "Runs", "Sums", "charge", "is_columnar", "ready"]
