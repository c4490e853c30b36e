"""What a process that works in columns does with memory that it is done with: keep it.

Columns of a few megabytes come and go. Given back to the system each time, they are handed out
again page by page, each page cleared first, under a lock that all threads share: a tenth of the
processor time of rating, a fifth where two threads rate.
"""

import ctypes
from functools import cache

import pyarrow as pa

_TRIM, _MAP = -1, -3  # the options of glibc's mallopt
_KEPT = 256 << 20  # bytes free at the end of what was taken, before some are given back
_APART = 32 << 20  # bytes of a column that is large enough to be given back by itself


@cache
def keep_what_is_freed() -> None:
    """Let this process keep freed memory for its next columns, and Arrow take its own from there.

    Where the C library knows no such thing, nothing changes.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None and tune(_MAP, _APART) and tune(_TRIM, _KEPT):
        pa.set_memory_pool(pa.system_memory_pool())
