"""UUIDv7 (RFC 9562 §6.2, methods 1 and 3: a 42-bit counter), rising inside one process.

Made here and not in the database: PostgreSQL has `uuidv7()` only from 18. The order of ids is
never the order of commits.
"""

import os
import threading
import time
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_lock = threading.Lock()
_last_ms = 0
_counter = 0
_START = 0x1FF_FFFF_FFFF  # 41 random bits at the start of a millisecond: room for the counter


def uuid7() -> uuid.UUID:
    """Return a new id that is greater than every earlier one of this process."""
    global _last_ms, _counter  # noqa: PLW0603 - a process has one last id
    with _lock:
        ms = time.time_ns() // 1_000_000
        if ms > _last_ms:
            _last_ms, _counter = ms, int.from_bytes(os.urandom(6)) & _START
        else:
            _counter += 1
            if _counter >> 42:
                _last_ms, _counter = _last_ms + 1, int.from_bytes(os.urandom(6)) & _START
        ms, count = _last_ms, _counter
    tail = int.from_bytes(os.urandom(4))
    return uuid.UUID(
        int=ms << 80 | 7 << 76 | (count >> 30) << 64 | 2 << 62 | (count & 0x3FFF_FFFF) << 32 | tail
    )


def uuid7_column(count: int) -> "NDArray[np.uint8]":
    """Return `count` new ids, rising, as rows of sixteen bytes."""
    import numpy as np

    global _last_ms, _counter  # noqa: PLW0603 - a process has one last id
    with _lock:
        ms = time.time_ns() // 1_000_000
        if ms > _last_ms:
            _last_ms, _counter = ms, int.from_bytes(os.urandom(6)) & _START
        if (_counter + count) >> 42:
            _last_ms, _counter = _last_ms + 1, int.from_bytes(os.urandom(6)) & _START
        ms, first = _last_ms, _counter + 1
        _counter += count
    counts = np.arange(count, dtype=np.uint64) + np.uint64(first)
    tails = np.frombuffer(os.urandom(4 * count), np.uint32).astype(np.uint64)
    halves = np.empty((count, 2), ">u8")
    halves[:, 0] = np.uint64(ms << 16 | 7 << 12) | (counts >> np.uint64(30))
    low = (counts & np.uint64(0x3FFF_FFFF)) << np.uint64(32)
    halves[:, 1] = np.uint64(2 << 62) | low | tails
    return halves.view(np.uint8)
