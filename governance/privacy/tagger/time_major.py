"""A tagger's graph without transposing: an LSTM reads the first words of all texts, then the second ones, and so on.

What is sealed is written text by text; looked up, read and summed up word by word, it says the same a little sooner.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from governance.privacy.tagger.letter_tables import attributes

# What an exported tagger does around its LSTM, first before and then behind it, from the end.
_STEPS = [
    ("Gather", {"axis": 0}),
    ("Transpose", {"perm": [1, 0, 2]}),
    ("Transpose", {"perm": [1, 0, 2]}),
    ("Reshape", {"allowzero": 0}),
    ("Transpose", {"perm": [0, 2, 1, 3]}),
    ("MatMul", {}),
    ("Add", {}),
]


def make_time_major(texts: onnx.ModelProto) -> bool:
    """Look words up in the order in which the LSTM reads them, and turn nothing but the logits.

    Args:
        texts: is changed if it is such a graph: [texts, length] `positions` are looked up, transposed, and read by an
            LSTM of two directions; [texts, length, 2 x hidden] are multiplied with a matrix, and a bias is added.

    Returns:
        Whether it is one; any other graph stays as it is.
    """
    graph = texts.graph
    weights = {item.name: item for item in graph.initializer}
    made = {output: node for node in graph.node for output in node.output}
    try:
        bias = made["logits"]
        product = next(made[name] for name in bias.input if name in made)
        added = next(name for name in bias.input if name in weights)
        back = [made[product.input[0]]]
        while not back[-1].op_type.endswith("LSTM"):
            back.append(made[back[-1].input[0]])
        reader = back[-1]
        turned = made[reader.input[0]]
        looked_up = made[turned.input[0]]
        first_states = [made[reader.input[place]] for place in (5, 6)]
        matrix = numpy_helper.to_array(weights[product.input[1]])
    except (KeyError, IndexError, StopIteration):
        return False
    steps = [(node.op_type, attributes(node)) for node in (looked_up, turned, *back[:-1], product, bias)]
    if steps != _STEPS or "layout" in attributes(reader) or not all(map(_is_nought, first_states)):
        return False
    for name, value in (
        ("halves", matrix.reshape(2, len(matrix) // 2, -1)),
        ("direction_axis", np.array([1])),
    ):
        graph.initializer.append(numpy_helper.from_array(value, name))
    # What is not given is nought, as the first state is.
    reader.input[5] = reader.input[6] = ""
    reader.input[0] = "by_word"
    head = [
        helper.make_node("Transpose", [looked_up.input[1]], ["turned"], perm=[1, 0]),
        helper.make_node("Gather", [looked_up.input[0], "turned"], ["by_word"]),
    ]
    tail = [
        helper.make_node("MatMul", [reader.output[0], "halves"], ["each_direction"]),
        helper.make_node("ReduceSum", ["each_direction", "direction_axis"], ["both_directions"], keepdims=0),
        helper.make_node("Add", ["both_directions", added], ["turned_logits"]),
        helper.make_node("Transpose", ["turned_logits"], ["logits"], perm=[1, 0, 2]),
    ]
    lengths = _needed(graph, reader.input[4])
    del graph.node[:], graph.value_info[:]
    graph.node.extend([*lengths, *head, reader, *tail])
    return True


def _is_nought(node: onnx.NodeProto) -> bool:
    """Return whether a node makes nothing but zeros."""
    value = attributes(node).get("value")
    return node.op_type == "ConstantOfShape" and (value is None or not numpy_helper.to_array(value).any())


def _needed(graph: onnx.GraphProto, wanted: str) -> list[onnx.NodeProto]:
    """Return the nodes that make a value, in their order."""
    names, needed = {wanted}, []
    for node in reversed(graph.node):
        if names & set(node.output):
            names |= set(node.input)
            needed.append(node)
    return needed[::-1]
