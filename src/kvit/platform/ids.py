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
    [made] = uuid7s(1)
    return made


def uuid7s(count: int) -> list[uuid.UUID]:
    """Return new ids, rising, each greater than every earlier one of this process.

    Chance is asked for once: each time lets another thread go first.
    """
    ms, first = _next(count)
    tails = os.urandom(4 * count)
    return [
        uuid.UUID(
            int=ms << 80 | 7 << 76 | (one >> 30) << 64 | 2 << 62 | (one & 0x3FFF_FFFF) << 32
            | int.from_bytes(tails[4 * at : 4 * at + 4])
        )
        for at, one in enumerate(range(first, first + count))
    ]  # fmt: skip


def _next(count: int) -> tuple[int, int]:
    """Return a millisecond and the first of so many numbers in it that nobody else gets."""
    global _last_ms, _counter  # noqa: PLW0603 - a process has one last id
    with _lock:
        ms = time.time_ns() // 1_000_000
        if ms > _last_ms:
            _last_ms, _counter = ms, int.from_bytes(os.urandom(6)) & _START
        if (_counter + count) >> 42:
            _last_ms, _counter = _last_ms + 1, int.from_bytes(os.urandom(6)) & _START
        _counter += count
        return _last_ms, _counter - count + 1


def uuid7_column(count: int) -> "NDArray[np.uint8]":
    """Return `count` new ids, rising, as rows of sixteen bytes."""
    import numpy as np

    ms, first = _next(count)
    counts = np.arange(count, dtype=np.uint64) + np.uint64(first)
    tails = np.frombuffer(os.urandom(4 * count), np.uint32).astype(np.uint64)
    halves = np.empty((count, 2), ">u8")
    halves[:, 0] = np.uint64(ms << 16 | 7 << 12) | (counts >> np.uint64(30))
    low = (counts & np.uint64(0x3FFF_FFFF)) << np.uint64(32)
    halves[:, 1] = np.uint64(2 << 62) | low | tails
    return halves.view(np.uint8)
