"""Models for the benchmark of devices: the digit models, and graphs of random weights made by `onnx.helper`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TRAINING = Path(__file__).resolve().parents[1] / ".state/training"
OPSET = [helper.make_opsetid("", 17)]
WEIGHTS_FILE = "weights.bin"
# Eight layers of 256 MiB.
BIG_LAYERS, BIG_WIDTH, BIG_BLOCK = 8, 8192, 2**22
# ResNet-50: blocks of each stage, and the width of the first.
STAGES, WIDTH = (3, 4, 6, 3), 64


@dataclass(frozen=True, slots=True)
class Graph:
    """A model in memory.

    Attributes:
        name: its name.
        content: a serialized ModelProto.
        card: its card, as a signer would write it.
        shape: the shape of one request's input.
        weights: files of external data.
    """

    name: str
    content: bytes
    card: Mapping[str, Any]
    shape: tuple[int, ...]
    weights: Mapping[str, memoryview] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the graph and its weights."""
        return len(self.content) + sum(map(len, self.weights.values()))


def make_digits(name: str) -> Graph:
    """Return a digit model that `make models` trained."""
    folder = TRAINING / name / "export"
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return Graph(name, (folder / "model.onnx").read_bytes(), card, (64, 1, 28, 28))


def make_resnet() -> Graph:
    """Return a graph of the size and form of ResNet-50 (25 million weights) with random weights."""
    made = _Builder(np.random.default_rng(0))
    value = made.node(
        "MaxPool", made.conv("x", 3, WIDTH, 7, stride=2), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4
    )
    channels = WIDTH
    for stage, blocks in enumerate(STAGES):
        width = WIDTH << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            inner = made.conv(value, channels, width, 1)
            inner = made.conv(made.conv(inner, width, width, 3, stride=stride), width, 4 * width, 1, relu=False)
            if not block:
                value = made.conv(value, channels, 4 * width, 1, stride=stride, relu=False)
            value, channels = made.node("Relu", made.node("Add", inner, value)), 4 * width
    flat = made.node("Flatten", made.node("GlobalAveragePool", value))
    scores = made.node("Gemm", flat, made.weight((channels, 1000)))
    return made.finish("resnet", scores, 1000, (8, 3, 224, 224))


def make_big() -> Graph:
    """Return eight matrices of 8192 × 8192 in 2 GiB of external data."""
    made, value = _Builder(np.random.default_rng(0)), "x"
    size = BIG_WIDTH * BIG_WIDTH * 4
    # Random numbers for 2 GiB would take most of the time; the layers begin at different places of one row of numbers.
    block = made.generator.standard_normal(BIG_BLOCK, np.float32) * np.sqrt(2 / BIG_WIDTH).astype(np.float32)
    content = np.empty(BIG_LAYERS * size // 4, np.float32)
    for start in range(0, content.size, block.size):
        content[start : start + block.size] = np.roll(block, start // block.size)
    for layer in range(BIG_LAYERS):
        made.initializers.append(_external(f"w{layer}", layer * size, size))
        value = made.node("Relu", made.node("MatMul", value, f"w{layer}"))
    weights = {WEIGHTS_FILE: memoryview(content).cast("B")}
    return made.finish("big", value, BIG_WIDTH, (4, BIG_WIDTH), weights)


GRAPHS: dict[str, Callable[[], Graph]] = {
    "digits-cnn": lambda: make_digits("digits-cnn"),
    "digits-rnn": lambda: make_digits("digits-rnn"),
    "resnet": make_resnet,
    "big": make_big,
}


class _Builder:
    """Collects the nodes and weights of a graph with the input `x`."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.initializers: list[Any] = []
        self._nodes: list[Any] = []
        self._names = (f"v{number}" for number in count())

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = next(self._names)
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def weight(self, shape: tuple[int, ...], scale: float = 1.0) -> str:
        name, inputs = next(self._names), int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
        values = self.generator.standard_normal(shape, np.float32) * np.float32(scale * np.sqrt(2 / inputs))
        self.initializers.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, value: str, inputs: int, outputs: int, size: int, *, stride: int = 1, relu: bool = True) -> str:
        # Sums of branches must not grow from block to block beyond what half precision holds.
        made = self.node(
            "Conv",
            value,
            self.weight((outputs, inputs, size, size), 1.0 if relu else 0.5),
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
        )
        return self.node("Relu", made) if relu else made

    def finish(
        self,
        name: str,
        output: str,
        classes: int,
        shape: tuple[int, ...],
        weights: Mapping[str, memoryview] | None = None,
    ) -> Graph:
        self._nodes.append(helper.make_node("Identity", [output], ["scores"]))
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape[1:]])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", classes])],
            self.initializers,
        )
        card = {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, *shape[1:]]}],
            "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, classes]}],
        }
        content = helper.make_model(graph, opset_imports=OPSET, ir_version=10).SerializeToString()
        return Graph(name, content, card, shape, weights or {})


def _external(name: str, offset: int, length: int) -> Any:
    tensor = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[BIG_WIDTH, BIG_WIDTH])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS_FILE), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return tensor
