"""The Merkle tree: known roots, and the laws of its proofs."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.transparency import (
    EMPTY_ROOT,
    Checkpoint,
    Frontier,
    Perfect,
    ShownEntry,
    consistency_proof,
    folded,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    read_checkpoint,
    read_proof,
)

# The tree that Certificate Transparency's own tests grow, and its root at each size.
VECTORS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
           "606162636465666768696a6b6c6d6e6f"]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def grown(leaves: Sequence[bytes]) -> Frontier:
    tree = Frontier(0, [])
    for leaf in leaves:
        tree.add(leaf)
    return tree


def slowly(leaves: Sequence[bytes]) -> bytes:
    """The definition of RFC 6962, 2.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + slowly(leaves[:k]) + slowly(leaves[k:])).digest()


def perfect_of(leaves: Sequence[bytes]) -> Perfect:
    return lambda level, index: folded(leaves[index << level : (index + 1) << level])


def test_the_roots_of_certificate_transparency() -> None:
    leaves = [leaf_hash(bytes.fromhex(one)) for one in VECTORS]
    assert [grown(leaves[:n]).root.hex() for n in range(1, 9)] == ROOTS
    assert Frontier(0, []).root == EMPTY_ROOT


def test_proofs_of_certificate_transparency() -> None:
    leaves = [leaf_hash(bytes.fromhex(one)) for one in VECTORS]
    shown = inclusion_proof(5, 8, perfect_of(leaves))
    assert [one.hex() for one in shown] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    shown = consistency_proof(6, 8, perfect_of(leaves))
    assert [one.hex() for one in shown] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(st.integers(1, 300), st.data())
def test_every_proof_shows_what_it_is_for_and_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(str(n).encode()) for n in range(size)]
    root, perfect = grown(leaves).root, perfect_of(leaves)
    assert root == slowly(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, perfect)
    assert is_included(leaves[index], index, size, proof, root)
    assert not is_included(leaf_hash(b"another"), index, size, proof, root)
    assert not is_included(leaves[index], index, size, [*proof, root], root)
    other = data.draw(st.integers(0, size - 1))
    assert is_included(leaves[index], other, size, proof, root) == (other == index)
    old = data.draw(st.integers(1, size))
    shown, before = consistency_proof(old, size, perfect), grown(leaves[:old]).root
    assert is_consistent(old, before, size, root, shown)
    assert not is_consistent(old, leaf_hash(b"x"), size, root, shown)
    assert not is_consistent(old, before, size, leaf_hash(b"x"), shown)
    assert not is_consistent(old, before, size, root, [*shown, root])


def test_what_cannot_be_shown_is_refused() -> None:
    leaves = [leaf_hash(b"a")]
    with pytest.raises(ValueError, match="no entry 1 among 1"):
        inclusion_proof(1, 1, perfect_of(leaves))
    with pytest.raises(ValueError, match="0 entries are no beginning of 1"):
        consistency_proof(0, 1, perfect_of(leaves))
    assert not is_included(leaves[0], 1, 1, [], leaves[0])
    assert not is_consistent(2, leaves[0], 1, leaves[0], [])


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    one = Checkpoint("kvit/ledger/x/1", 3, leaf_hash(b"a"))
    assert read_checkpoint(one.text) == one
    assert one.text == f"kvit/ledger/x/1\n3\n{b64encode(one.root).decode()}\n"


@pytest.mark.parametrize(
    "text", ["", "o\n1\n", "o\nx\n" + "A" * 43 + "=\n", "o\n01\n" + "A" * 43 + "=\n",
             "o\n1\nAA==\n",
             "\n1\n" + "A" * 43 + "=\n", "o\n-1\n" + "A" * 43 + "=\n", "o\n1\n!\n"],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        read_checkpoint(text)


def test_a_proof_is_read_as_it_was_written() -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(5)]
    hashes = tuple(inclusion_proof(3, 5, perfect_of(leaves)))
    one = ShownEntry(bytes([3]), 3, hashes, "kvit/ledger/x/1\n5\nroot\n\n— kvit/ledger/x/1 AAAA\n")
    assert read_proof(one.text) == one
    assert one.text.startswith("c2sp.org/tlog-proof@v1\nextra Aw==\nindex 3\n")
    assert one.is_shown(Checkpoint("kvit/ledger/x/1", 5, grown(leaves).root))
    assert not one.is_shown(Checkpoint("kvit/ledger/x/1", 4, grown(leaves[:4]).root))


@pytest.mark.parametrize("text", ["", "x", "c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\n",
                                  "c2sp.org/tlog-proof@v1\nindex 0\nextra AA==\n\n",
                                  "c2sp.org/tlog-proof@v1\nextra AA==\nindex x\n\n"])  # fmt: skip
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no proof"):
        read_proof(text)
