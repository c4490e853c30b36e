"""Texts of digits as numbers that sort as the texts do, eight digits at a stroke.

A worked example: "" is 0, "7" is 8 × 11¹⁷, "70" is that and 1 × 11¹⁶. Digits are of base 11, each
one more than itself, so that nothing after a "7" sorts before "70"; 18 of them fit 64 bits.

Eight bytes are one word. Neighbours are joined to pairs, pairs to fours, fours to eights, by a
product and a shift each, where they stand: of "12" the 1 becomes 2 × 11 + 3.
"""

import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kvit.core.columnar.runs import Rows

DIGITS: Final = 18  # a longer number is told by its first ones
BASE: Final = 11
NOBODY: Final = -1  # of what is not digits alone
CHUNK: Final = 1 << 15  # numbers whose columns stay in the processor's cache
_WEIGHTS: Final[tuple[int, ...]] = tuple(BASE ** (DIGITS - n) for n in range(DIGITS + 1))
_WORD: Final = 8
WORDS: Final = 3  # of a number that is read
_ROOM: Final = 5 * _WORD  # from where a number, or what stands before it, begins
_ZEROS: Final = 0x3030303030303030  # "00000000"
_ONES: Final = 0x0101010101010101
_ABOVE_NINE: Final = 0x7676767676767676  # carries into the highest bit of a byte above 9
_HIGHEST: Final = 0x8080808080808080
_KEPT: Final = np.array([(1 << 8 * length) - 1 for length in range(_WORD + 1)], np.uint64)
# Of a join: by what the first of two is multiplied, how far the second is moved, what is kept.
_JOINS: Final = (
    (BASE, 8, 0x00FF00FF00FF00FF),
    (BASE**2, 16, 0x0000FFFF0000FFFF),
    (BASE**4, 32, 0x00000000FFFFFFFF),
)
assert sys.byteorder == "little"  # the first digit is the lowest byte

Words = NDArray[np.uint64]


def key_of(number: str) -> int:
    """Return the place of a number among all; −1 where it is not digits alone."""
    if not number.isascii() or (number and not number.isdigit()):
        return NOBODY
    key = 0
    for digit in number[:DIGITS]:
        key = key * BASE + int(digit) + 1
    return key * _WEIGHTS[min(len(number), DIGITS)]


def keys_of(data: NDArray[np.uint8], starts: Rows, ends: Rows) -> Rows:
    """Return the same of many: of `data` (see `with_room`), from `starts` to `ends`."""
    keys = np.empty(len(starts), np.int64)
    for first in range(0, len(starts), CHUNK):
        part = slice(first, first + CHUNK)
        read = words(data, starts[part], WORDS)
        keys[part] = keys_in(read, data, starts[part], ends[part])
    return keys


def with_room(data: NDArray[np.uint8], begin: int, end: int) -> NDArray[np.uint8]:
    """Return the bytes [begin, end) and so many more that words may be read wherever a number
    stands; what they say does not matter."""
    found = data[begin : end + _ROOM]
    missing = end - begin + _ROOM - len(found)
    return np.append(found, np.zeros(missing, np.uint8)) if missing else found


def words(data: NDArray[np.uint8], starts: Rows, count: int) -> Words:
    """Return the first words from each place on, a row each: at one stroke, since each of them by
    itself, none beginning where the processor likes a word to, takes as long as all of them."""
    size = count * _WORD
    rows = np.ndarray((len(data) - size + 1,), np.dtype((np.void, size)), data.data, strides=(1,))
    return rows[starts].view(np.uint64).reshape(-1, count)


def keys_in(read: Words, data: NDArray[np.uint8], starts: Rows, ends: Rows) -> Rows:
    """Return the keys of numbers from `starts` to `ends`, whose first `WORDS` words are read."""
    lengths = ends - starts
    shortest, longest = (int(lengths.min()), int(lengths.max())) if len(lengths) else (0, 0)
    odd = np.zeros(len(starts), np.uint64)  # its highest bits: of a byte that is no digit
    keys = np.zeros(len(starts), np.int64)
    for place in range(0, min(longest, DIGITS), _WORD):
        size = min(DIGITS - place, _WORD)
        digits = read[:, place // _WORD] ^ np.uint64(_ZEROS)
        if shortest - place < _WORD:
            kept = _KEPT[np.clip(lengths - place, 0, size)]
            digits &= kept
            ones: Words | np.uint64 = np.uint64(_ONES) & kept
        else:
            ones = np.uint64(_ONES)
        odd |= (digits + np.uint64(_ABOVE_NINE)) | digits
        digits += ones
        digits <<= np.uint64(8 * (_WORD - size))  # the last word has fewer: to its far end
        keys += _joined(digits) * _WEIGHTS[place + size]
    is_odd = odd & np.uint64(_HIGHEST) != 0
    for place in range(DIGITS, longest):
        rows = np.flatnonzero(lengths > place)
        is_odd[rows] |= data[starts[rows] + place] - np.uint8(ord("0")) > 9
    keys[is_odd] = NOBODY
    return keys


def _joined(digits: Words) -> Rows:
    """Return eight digits, the first one the greatest, as a number of base 11, in their place."""
    for factor, bits, kept in _JOINS:
        second = digits >> np.uint64(bits)
        digits *= np.uint64(factor)
        digits += second
        digits &= np.uint64(kept)
    return digits.view(np.int64)
