"""A convolution over the letters of words as sums from tables: half the time, and made when a model is opened.

What a letter adds to a place is the same wherever it stands, so it is computed once for each letter there is. What is
sealed holds the convolution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# An input: how many letters are looked at. Behind a word one place sees its end, and one nothing at all.
REACH, BEHIND = "reach", 2
# What an exported tagger does with letters.
_STEPS = [
    ("Gather", {}),
    ("Transpose", {"perm": [0, 2, 1]}),
    ("Conv", {"dilations": [1], "group": 1, "kernel_shape": [3], "pads": [1, 1], "strides": [1]}),
    ("ReduceMax", {"axes": [2], "keepdims": 0}),
]


def tabulate(words: onnx.ModelProto) -> bool:
    """Put sums from tables in the place of the convolution over letters, and let them end at `reach`.

    Args:
        words: is changed if it is such a graph: [words, characters] are looked up in a table whose row 0 is nought,
            transposed, and read by a convolution of width 3 of which the greatest values count.

    Returns:
        Whether it is one; any other graph stays as it is.
    """
    graph = words.graph
    weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    made = {output: node for node in graph.node for output in node.output}
    try:
        [convolution] = (node for node in graph.node if node.op_type == "Conv")
        [highest] = (node for node in graph.node if convolution.output[0] in node.input)
        turned = made[convolution.input[0]]
        looked_up = made[turned.input[0]]
        letters, (kernel, bias) = weights[looked_up.input[0]], (weights[name] for name in convolution.input[1:])
    except (KeyError, ValueError):
        return False
    steps = [(node.op_type, attributes(node)) for node in (looked_up, turned, convolution, highest)]
    if steps != _STEPS or kernel.shape[2] != 3 or letters[0].any():
        return False
    graph.input.append(helper.make_tensor_value_info(REACH, TensorProto.INT64, [1]))
    before, at, behind = (letters @ kernel[:, :, place].T for place in range(3))
    nodes = _sums(graph, looked_up.input[1], [before, at + bias, behind])
    nodes.append(helper.make_node("ReduceMax", ["letter_sums"], list(highest.output), axes=[1], keepdims=0))
    place = list(graph.node).index(highest)
    earlier, later = list(graph.node)[:place], list(graph.node)[place + 1 :]
    del graph.node[:], graph.value_info[:]
    graph.node.extend([*(node for node in earlier if node not in (convolution, turned)), *nodes, *later])
    return True


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node by their names."""
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _sums(graph: onnx.GraphProto, codes: str, tables: list[Any]) -> list[onnx.NodeProto]:
    """Return what adds, at each place, what the letters before, at and behind it are worth there."""

    def constant(name: str, value: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    nodes = [
        helper.make_node(
            "Slice", [codes, constant("letter_from", [0]), REACH, constant("letter_axis", [1])], ["reached"]
        ),
        helper.make_node("Pad", ["reached", constant("letter_pads", [0, 1, 0, 1])], ["padded"]),
    ]
    for place, table in enumerate(tables):
        # The last two places are left out, the first and the last one, or the first two.
        edges = [constant(f"letter_from_{place}", [place]), constant(f"letter_to_{place}", [place - 2 or 2**31])]
        name = constant(f"letter_table_{place}", table.astype(np.float32))
        nodes += [
            helper.make_node("Slice", ["padded", *edges, "letter_axis"], [f"seen_{place}"]),
            helper.make_node("Gather", [name, f"seen_{place}"], [f"worth_{place}"]),
        ]
    nodes += [
        helper.make_node("Add", ["worth_0", "worth_1"], ["first_sums"]),
        helper.make_node("Add", ["first_sums", "worth_2"], ["letter_sums"]),
    ]
    return nodes
