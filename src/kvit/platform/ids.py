"""UUIDv7 (RFC 9562 §6.2, methods 1 and 3: a 42-bit counter), rising inside one process.

Made here and not in the database: PostgreSQL has `uuidv7()` only from 18. The order of ids is
never the order of commits.
"""

import os
import threading
import time
import uuid

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
