"""A convolution over the letters of words, computed as sums from tables: half the time.

A convolution of width 3 adds up, at each place of a word, a vector for the letter before, one for the letter there, and
one for the letter after. Each of these vectors depends on that one letter only, so all of them are computed once, in
three tables, when the model is opened; at a call they are looked up and added. The sums also end with the longest
word of a call instead of the longest possible one. The signed graph holds the convolution, in standard operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from governance.privacy.tagger.nodes import add_constant, attributes, producers

# The input that tabulating adds: how many places of each word are computed, int64 [1].
REACH = "reach"
# The places after a word's last letter that can still differ from padding: one sees the word's last letter, and one
# sees padding only, as all further ones do. The greatest value of each feature counts, so the others need not be
# computed.
PLACES_AFTER = 2
# The nodes of an exported tagger that read letters, with their attributes.
_STEPS = [
    ("Gather", {}),
    ("Transpose", {"perm": [0, 2, 1]}),
    ("Conv", {"dilations": [1], "group": 1, "kernel_shape": [3], "pads": [1, 1], "strides": [1]}),
    ("ReduceMax", {"axes": [2], "keepdims": 0}),
]


@dataclass(frozen=True, slots=True)
class _LetterReading:
    """The nodes that read letters, in their order, and their weights."""

    lookup: onnx.NodeProto
    transpose: onnx.NodeProto
    convolution: onnx.NodeProto
    maximum: onnx.NodeProto
    # [letters, inputs]; row 0 is padding.
    letters: Any
    # [outputs, inputs, 3] and [outputs].
    kernel: Any
    bias: Any


def tabulate(words: onnx.ModelProto) -> bool:
    """Replace the convolution over letters by sums from tables, and add the input `reach`.

    Args:
        words: is changed if it is recognised: `characters`, [words, characters], are looked up in a table whose row 0
            is zero, transposed, and read by a convolution of width 3, of which the greatest value of each output
            counts.

    Returns:
        Whether it was recognised; any other graph stays as it is.
    """
    graph = words.graph
    reading = _recognise(graph)
    if reading is None:
        return False
    graph.input.append(helper.make_tensor_value_info(REACH, TensorProto.INT64, [1]))
    # What a letter adds to the place after it (it is the letter before), to its own, and to the place before it. The
    # bias is added once, in the middle table.
    before, at, after = (reading.letters @ reading.kernel[:, :, place].T for place in range(3))
    sums = _sum_nodes(graph, reading.lookup.input[1], [before, at + reading.bias, after])
    maximum = helper.make_node("ReduceMax", ["letter_sums"], list(reading.maximum.output), axes=[1], keepdims=0)
    nodes = list(graph.node)
    place = nodes.index(reading.maximum)
    kept = [node for node in nodes[:place] if node not in (reading.convolution, reading.transpose)]
    # Shapes that were inferred for the old nodes are wrong now.
    del graph.node[:], graph.value_info[:]
    graph.node.extend([*kept, *sums, maximum, *nodes[place + 1 :]])
    return True


def _recognise(graph: onnx.GraphProto) -> _LetterReading | None:
    """Return the nodes that read letters, or None if they differ in any way from what is exported."""
    weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    made = producers(graph)
    try:
        [convolution] = (node for node in graph.node if node.op_type == "Conv")
        [maximum] = (node for node in graph.node if convolution.output[0] in node.input)
        transpose = made[convolution.input[0]]
        lookup = made[transpose.input[0]]
        letters, (kernel, bias) = weights[lookup.input[0]], (weights[name] for name in convolution.input[1:])
    except (KeyError, ValueError):
        return None
    steps = [(node.op_type, attributes(node)) for node in (lookup, transpose, convolution, maximum)]
    # Padding of the convolution is zero, and so must padding with letter 0 be.
    if steps != _STEPS or kernel.shape[2] != 3 or letters[0].any():
        return None
    return _LetterReading(lookup, transpose, convolution, maximum, letters, kernel, bias)


def _sum_nodes(graph: onnx.GraphProto, characters: str, tables: list[Any]) -> list[onnx.NodeProto]:
    """Return nodes that compute `letter_sums`, [words, reach, outputs]: the sum of a row of each table at each place.

    Args:
        graph: gets the constants.
        characters: the name of the input, [words, characters].
        tables: for the letters before, at and after a place, [letters, outputs].
    """
    nodes = [
        helper.make_node(
            "Slice",
            [characters, add_constant(graph, "letter_from", [0]), REACH, add_constant(graph, "letter_axis", [1])],
            ["reached"],
        ),
        # One place of padding before and after each word, as the convolution has.
        helper.make_node("Pad", ["reached", add_constant(graph, "letter_pads", [0, 1, 0, 1])], ["padded"]),
    ]
    for place, table in enumerate(tables):
        # Of the padded letters, the first table sees all but the last two, the second all but the first and the last,
        # the third all but the first two. An end of -2, -1, or a number behind every end.
        first = add_constant(graph, f"letter_from_{place}", [place])
        last = add_constant(graph, f"letter_to_{place}", [place - 2 or 2**31])
        name = add_constant(graph, f"letter_table_{place}", table.astype(np.float32))
        nodes += [
            helper.make_node("Slice", ["padded", first, last, "letter_axis"], [f"seen_{place}"]),
            helper.make_node("Gather", [name, f"seen_{place}"], [f"rows_{place}"]),
        ]
    nodes += [
        helper.make_node("Add", ["rows_0", "rows_1"], ["first_sums"]),
        helper.make_node("Add", ["first_sums", "rows_2"], ["letter_sums"]),
    ]
    return nodes
