"""An LSTM in 8 bits: twice as fast, and made when a model is opened: what is sealed holds standard operators alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

DOMAIN = "com.microsoft"


def lower_lstm(model: onnx.ModelProto) -> None:
    """Put `DynamicQuantizeLSTM` in the place of each LSTM, its weights in 8 bits with one scale a direction.

    Args:
        model: is changed; an LSTM whose weights are computed stays as it is.

    Source: ONNX Runtime's contributed operators, `com.microsoft.DynamicQuantizeLSTM`.
    """
    weights = {item.name: item for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "LSTM" or not {node.input[1], node.input[2]} <= weights.keys():
            continue
        scales: list[str] = []
        for place in (1, 2):
            name = node.input[place]
            small, scale = _rounded(numpy_helper.to_array(weights[name]))
            made = {"_small": small, "_scale": scale, "_zero": np.zeros(len(scale), np.int8)}
            model.graph.initializer.extend(numpy_helper.from_array(part, name + end) for end, part in made.items())
            scales += [name + "_scale", name + "_zero"]
            node.input[place] = name + "_small"
        node.input.extend([""] * (8 - len(node.input)) + scales)
        node.op_type, node.domain = "DynamicQuantizeLSTM", DOMAIN
        if not any(item.domain == DOMAIN for item in model.opset_import):
            model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))


def _rounded(array: Any) -> tuple[Any, Any]:
    """Return weights [directions, gates, inputs] as [directions, inputs, gates] in 8 bits, and [directions] scales."""
    scale = np.maximum(np.abs(array).max(axis=(1, 2)), np.finfo(np.float32).tiny) / 127
    small = np.rint(array / scale[:, None, None]).astype(np.int8)
    return np.ascontiguousarray(small.transpose(0, 2, 1)), scale.astype(np.float32)
