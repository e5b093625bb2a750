"""A tagger's graph in the order in which its LSTM reads: the first words of all texts, then the second ones, and so on.

An LSTM of ONNX takes and returns its values time-major, [words, texts, ...]. The exported graph is text-major, [texts,
words, ...]: it transposes all vectors before the LSTM and all states after it. The rewritten graph transposes only the
positions of the words before, one number for each word, and the logits after, a few numbers for each word. In between,
[words, directions, texts, hidden] states are multiplied as they are, with half of the matrix for each direction, and
both products are added; this replaces the transposition that brings both directions of a word together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx
from onnx import helper, numpy_helper

from governance.privacy.tagger.nodes import add_constant, ancestors, attributes, makes_zeros, producers

# Places of an LSTM's inputs: its values, the lengths of the texts, and its first states.
_VALUES, _LENGTHS, _FIRST_STATES = 0, 4, (5, 6)
# The nodes of an exported tagger around its LSTM, with their attributes: two before it; three that reorder its states,
# the last one first; and two that make logits of them.
_STEPS = [
    ("Gather", {"axis": 0}),
    ("Transpose", {"perm": [1, 0, 2]}),
    ("Transpose", {"perm": [1, 0, 2]}),
    ("Reshape", {"allowzero": 0}),
    ("Transpose", {"perm": [0, 2, 1, 3]}),
    ("MatMul", {}),
    ("Add", {}),
]


@dataclass(frozen=True, slots=True)
class _TextReading:
    """The parts of a graph that reads texts."""

    # Looks up the vectors of words: its inputs are the vectors and the positions.
    lookup: onnx.NodeProto
    lstm: onnx.NodeProto
    # [2 x hidden, tags]: the weights of the last layer, and the name of its bias.
    matrix: Any
    bias: str


def make_time_major(texts: onnx.ModelProto) -> bool:
    """Reorder the graph so that it transposes only positions and logits.

    Args:
        texts: is changed if it is recognised: `positions`, [texts, words], are looked up, transposed, and read by an
            LSTM of two directions; its states, [texts, words, 2 x hidden], are multiplied with a matrix, and a bias is
            added.

    Returns:
        Whether it was recognised; any other graph stays as it is.
    """
    graph = texts.graph
    reading = _recognise(graph)
    if reading is None:
        return False
    # The nodes that compute the lengths of texts stay; they are found before the LSTM's inputs change.
    lengths = ancestors(graph, reading.lstm.input[_LENGTHS])
    nodes = [*lengths, *_lookup_nodes(reading), _rewired_lstm(reading), *_logits_nodes(graph, reading)]
    # Shapes that were inferred for the old nodes are wrong now.
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return True


def _recognise(graph: onnx.GraphProto) -> _TextReading | None:
    """Return the parts of a graph, or None if it differs in any way from what is exported."""
    weights = {item.name: item for item in graph.initializer}
    made = producers(graph)
    try:
        # From the logits back to the LSTM, and from its input back to the lookup.
        addition = made["logits"]
        product = next(made[name] for name in addition.input if name in made)
        bias = next(name for name in addition.input if name in weights)
        after = [made[product.input[0]]]
        while not after[-1].op_type.endswith("LSTM"):
            after.append(made[after[-1].input[0]])
        lstm = after.pop()
        transpose = made[lstm.input[_VALUES]]
        lookup = made[transpose.input[0]]
        first_states = [made[lstm.input[place]] for place in _FIRST_STATES]
        matrix = numpy_helper.to_array(weights[product.input[1]])
    except (KeyError, IndexError, StopIteration):
        return None
    steps = [(node.op_type, attributes(node)) for node in (lookup, transpose, *after, product, addition)]
    if steps != _STEPS or "layout" in attributes(lstm) or not all(map(makes_zeros, first_states)):
        return None
    return _TextReading(lookup, lstm, matrix, bias)


def _lookup_nodes(reading: _TextReading) -> list[onnx.NodeProto]:
    """Return nodes that look up `by_word`, [words, texts, features]."""
    vectors, positions = reading.lookup.input
    return [
        helper.make_node("Transpose", [positions], ["positions_by_word"], perm=[1, 0]),
        helper.make_node("Gather", [vectors, "positions_by_word"], ["by_word"]),
    ]


def _rewired_lstm(reading: _TextReading) -> onnx.NodeProto:
    """Return the LSTM with `by_word` as its input and without first states: their default is zero, as they are."""
    lstm = onnx.NodeProto()
    lstm.CopyFrom(reading.lstm)
    lstm.input[_VALUES] = "by_word"
    for place in _FIRST_STATES:
        lstm.input[place] = ""
    return lstm


def _logits_nodes(graph: onnx.GraphProto, reading: _TextReading) -> list[onnx.NodeProto]:
    """Return nodes that compute `logits`, [texts, words, tags], from the LSTM's states.

    Args:
        graph: gets the constants.
        reading: the parts of the old graph.
    """
    # The states of a word are [directions, texts, hidden]. In the old graph both directions were one vector; the first
    # half of the matrix belongs to the forward direction, the second half to the backward one.
    halves = reading.matrix.reshape(2, len(reading.matrix) // 2, -1)
    add_constant(graph, "halves", halves)
    add_constant(graph, "direction_axis", [1])
    return [
        helper.make_node("MatMul", [reading.lstm.output[0], "halves"], ["each_direction"]),
        helper.make_node("ReduceSum", ["each_direction", "direction_axis"], ["both_directions"], keepdims=0),
        helper.make_node("Add", ["both_directions", reading.bias], ["logits_by_word"]),
        helper.make_node("Transpose", ["logits_by_word"], ["logits"], perm=[1, 0, 2]),
    ]
