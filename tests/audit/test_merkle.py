"""Merkle trees of RFC 6962: public vectors, and properties of roots and proofs."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.merkle import (
    EMPTY_ROOT,
    CompactRange,
    leaf_hash,
    node_hash,
    prove_inclusion,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from governance.errors import LogInconsistentError


def decoded(value):
    return base64.b64decode(value or "")


def test_merkle_public_vectors_have_the_expected_result(vectors):
    cases = json.loads((vectors / "rfc6962/proofs.json").read_text())
    seen = {"inclusion": 0, "consistency": 0}
    for name, case in cases.items():
        kind = name.split("/")[0]
        proof = [decoded(node) for node in case["proof"] or []]
        seen[kind] += 1
        try:
            if kind == "inclusion":
                verify_inclusion(
                    case["leafIdx"], case["treeSize"], decoded(case["leafHash"]), proof, decoded(case["root"])
                )
            else:
                roots = decoded(case["root1"]), decoded(case["root2"])
                verify_consistency(case["size1"], case["size2"], proof, *roots)
            accepted = True
        except LogInconsistentError:
            accepted = False
        assert accepted is not case["wantErr"], name
    assert seen == {"inclusion": 98, "consistency": 98}


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_merkle_compact_range_has_the_recursive_root(entries):
    def recursive(leaves):
        if not leaves:
            return EMPTY_ROOT
        if len(leaves) == 1:
            return leaves[0]
        middle = 1 << (len(leaves) - 1).bit_length() - 1
        return node_hash(recursive(leaves[:middle]), recursive(leaves[middle:]))

    leaves = [leaf_hash(entry) for entry in entries]
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    assert tree.root() == recursive(leaves) == root_of(leaves)


@given(st.integers(1, 70), st.data())
def test_merkle_inclusion_proof_of_every_leaf_verifies_and_no_other(size, data):
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof, root = prove_inclusion(index, leaves), root_of(leaves)
    verify_inclusion(index, size, leaves[index], proof, root)
    with pytest.raises(LogInconsistentError):
        verify_inclusion(index, size, leaf_hash(b"other"), proof, root)
    with pytest.raises(LogInconsistentError):
        verify_inclusion(index, size, leaves[index], [*proof, root], root)
