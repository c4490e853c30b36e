"""A log that proves what it holds: a Merkle tree over its entries (RFC 6962, RFC 9162).

Who keeps the root of a tree of n entries can later be shown that an entry stood in it (inclusion)
and that a longer tree begins with the same n entries (consistency); nobody can alter, drop or
exchange one of them and arrive at the same root. The text that says "so many entries, this root"
is a checkpoint (C2SP tlog-checkpoint), and is what gets signed.

Hashes are SHA-256, 32 bytes. A perfect subtree is named by its level (0: leaves) and its index.
"""

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterable
from dataclasses import dataclass

HASH_BYTES = 32
PROOF_FORM = "c2sp.org/tlog-proof@v1"
EMPTY_ROOT = hashlib.sha256(b"").digest()

Perfect = Callable[[int, int], bytes]  # (level, index) → the hash of that perfect subtree


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry (RFC 6962, 2.1): a leaf can never pass for a node."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees side by side."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def folded(hashes: Iterable[bytes]) -> bytes:
    """Return the hash of the perfect subtree over so many hashes; their number is a power of 2."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(*level[at : at + 2]) for at in range(0, len(level), 2)]
    return level[0]


@dataclass(slots=True)
class Frontier:
    """The right edge of a tree: enough to grow it and to know its root, whatever its size."""

    size: int
    peaks: list[bytes]  # hashes of the perfect subtrees that it is made of, the widest first

    def add(self, leaf: bytes) -> None:
        """Append the hash of one more entry."""
        full = self.size
        self.size += 1
        while full & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            full >>= 1
        self.peaks.append(leaf)

    @property
    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY_ROOT
        *rest, root = self.peaks
        for peak in reversed(rest):
            root = node_hash(peak, root)
        return root


def tree_hash(low: int, high: int, perfect: Perfect) -> bytes:
    """Return the hash of the entries `low` ≤ i < `high`, of a range that the tree has as a node."""
    count = high - low
    if count & (count - 1) == 0:
        return perfect(count.bit_length() - 1, low // count)
    middle = low + _split(count)
    return node_hash(tree_hash(low, middle, perfect), tree_hash(middle, high, perfect))


def inclusion_proof(index: int, size: int, perfect: Perfect) -> list[bytes]:
    """Return the hashes that lead from entry `index` to the root of the first `size` entries."""
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} among {size}")
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(tree_hash(middle, high, perfect))
            high = middle
        else:
            proof.append(tree_hash(low, middle, perfect))
            low = middle
    return proof[::-1]


def is_included(leaf: bytes, index: int, size: int, proof: Iterable[bytes], root: bytes) -> bool:
    """Whether `proof` shows the hash of an entry at `index` of a tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    for one in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            leaf = node_hash(one, leaf)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            leaf = node_hash(leaf, one)
        node, last = node >> 1, last >> 1
    return last == 0 and leaf == root


def consistency_proof(old: int, new: int, perfect: Perfect) -> list[bytes]:
    """Return the hashes that show that `new` entries begin with `old` of them (RFC 6962, 2.1.2)."""
    if not 0 < old <= new:
        raise ValueError(f"{old} entries are no beginning of {new}")
    proof: list[bytes] = []
    low, high, is_whole = 0, new, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(tree_hash(middle, high, perfect))
            high = middle
        else:
            proof.append(tree_hash(low, middle, perfect))
            low, is_whole = middle, False
    if not is_whole:
        proof.append(tree_hash(low, high, perfect))
    return proof[::-1]


def is_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Iterable[bytes]
) -> bool:
    """Whether `proof` shows that the new tree begins with the old one (RFC 9162, 2.1.4.2)."""
    path = list(proof)
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for one in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = node_hash(one, before), node_hash(one, after)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, one)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(count: int) -> int:
    """Return the largest power of 2 below `count`: where RFC 6962 parts a range."""
    return 1 << ((count - 1).bit_length() - 1)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: which log it is, how many entries it has, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Return the text that is signed (C2SP tlog-checkpoint)."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint; extension lines are let be.

    Raises:
        ValueError: it is none.
    """
    try:
        origin, size, root, *_ = text.split("\n")
        found = Checkpoint(origin, int(size), b64decode(root, validate=True))
    except (ValueError, NotBase64) as error:
        raise ValueError(f"no checkpoint: {error}") from None
    is_plain = found.size >= 0 and str(found.size) == size
    if not origin or not is_plain or len(found.root) != HASH_BYTES:
        raise ValueError("no checkpoint: origin, size or root is not as it must be")
    return found


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry with what shows that it stands in a log: C2SP tlog-proof, the entry as its extra."""

    entry: bytes
    index: int
    hashes: tuple[bytes, ...]
    note: str  # the signed checkpoint that the hashes lead to

    @property
    def text(self) -> str:
        lines = [PROOF_FORM, f"extra {b64encode(self.entry).decode()}", f"index {self.index}"]
        return "\n".join([*lines, *(b64encode(one).decode() for one in self.hashes), "", self.note])

    def is_shown(self, checkpoint: Checkpoint) -> bool:
        """Whether the entry stands where it says in the log of this checkpoint."""
        leaf = leaf_hash(self.entry)
        return is_included(leaf, self.index, checkpoint.size, self.hashes, checkpoint.root)


def read_proof(text: str) -> ShownEntry:
    """Read a proof as `ShownEntry.text` writes it.

    Raises:
        ValueError: it is none.
    """
    head, _, note = text.partition("\n\n")
    try:
        form, extra, index, *hashes = head.split("\n")
        if form != PROOF_FORM or extra[:6] != "extra " or index[:6] != "index ":
            raise ValueError("the first lines are not as they must be")
        entry, *path = (b64decode(one, validate=True) for one in (extra[6:], *hashes))
        return ShownEntry(entry, int(index[6:]), tuple(path), note)
    except (ValueError, NotBase64) as error:
        raise ValueError(f"no proof: {error}") from None
