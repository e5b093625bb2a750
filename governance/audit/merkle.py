"""The Merkle tree of RFC 6962 over SHA-256 hashes of 32 bytes; section numbers below are those of RFC 9162."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from governance.errors import LogInconsistentError

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf (section 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """A tree that grows by one leaf at a time and stores only the roots of its O(log n) complete subtrees.

    Attributes:
        size: Number of leaves.
    """

    __slots__ = ("_subtrees", "size")

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Append the hash of one leaf."""
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(self._subtrees.pop(), node)
            size >>= 1
        self._subtrees.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root hash over all leaves."""
        if not self._subtrees:
            return EMPTY_ROOT
        node = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            node = node_hash(subtree, node)
        return node


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root hash over the hashes of leaves."""
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def prove_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the inclusion proof of the leaf `index` in the tree over `leaves`, bottom first (section 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    if index < middle:
        return [*prove_inclusion(index, leaves[:middle]), root_of(leaves[middle:])]
    return [*prove_inclusion(index - middle, leaves[middle:]), root_of(leaves[:middle])]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bytes:
    """Return `leaf` if the proof shows that it is at `index` in a tree (section 2.1.3.2).

    Args:
        index: Position of the leaf, from 0.
        size: Number of leaves of the tree.
        leaf: Hash of the leaf (32 bytes).
        proof: Hashes from bottom to top.
        root: Root hash of the tree.

    Raises:
        LogInconsistentError: if the proof does not lead from the leaf to the root.
    """
    if not 0 <= index < size or len(leaf) != HASH_BYTES:
        raise LogInconsistentError("the index is not in the tree")
    node, last, position = leaf, size - 1, index
    for sibling in proof:
        if last == 0:
            raise LogInconsistentError("the inclusion proof is too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last or node != root:
        raise LogInconsistentError("the inclusion proof does not lead to the root")
    return leaf


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> bytes:
    """Return `root2` if the proof shows that the second tree starts with the leaves of the first (section 2.1.4.2).

    Args:
        size1: Number of leaves of the first tree, at least 1.
        size2: Number of leaves of the second tree.
        proof: Hashes of the consistency proof.
        root1: Root hash of the first tree.
        root2: Root hash of the second tree.

    Raises:
        LogInconsistentError: if the proof does not lead to both roots.
    """
    if not 0 < size1 <= size2:
        raise LogInconsistentError("the first tree must not be empty or larger than the second")
    if size1 == size2:
        if proof or root1 != root2:
            raise LogInconsistentError("trees of the same size need the same root and an empty proof")
        return root2
    path = list(proof)
    if size1 & (size1 - 1) == 0:
        path.insert(0, root1)
    if not path:
        raise LogInconsistentError("the consistency proof is empty")
    first, last = size1 - 1, size2 - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    node1 = node2 = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise LogInconsistentError("the consistency proof is too long")
        if first & 1 or first == last:
            node1, node2 = node_hash(sibling, node1), node_hash(sibling, node2)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            node2 = node_hash(node2, sibling)
        first, last = first >> 1, last >> 1
    if last or node1 != root1 or node2 != root2:
        raise LogInconsistentError("the consistency proof does not lead to the roots")
    return root2
