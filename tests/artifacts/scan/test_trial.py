"""The trial in the scan's process: graphs that end ONNX Runtime, never end, or take all memory are refused, each by its kind.

All of them pass the rules and ONNX's checker.
"""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from governance.artifacts.scan.limits import ScanLimits
from governance.artifacts.scan.scan import scan_all, scan_graph, scanned_memory

FLOAT = TensorProto.FLOAT
LIMITS = ScanLimits(seconds=4)


def value(name, axes, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, axes)


def model(nodes, axes=("n", 4), initializers=(), opset=17, out=None):
    graph = helper.make_graph(nodes, "g", [value("x", axes)], [value("y", out)], list(initializers))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def node(kind, inputs=("x",), **attributes):
    return helper.make_node(kind, list(inputs), ["y"], **attributes)


def ints(name, values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def floats(name, shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def tree(depth, targets=1):
    """Return a regression tree whose nodes are a chain: each has a leaf and the next node."""
    nodes, leaves = list(range(depth)), list(range(depth, 2 * depth + 1))
    every = nodes + leaves
    return model(
        [
            node(
                "TreeEnsembleRegressor",
                domain="ai.onnx.ml",
                n_targets=targets,
                nodes_treeids=[0] * len(every),
                nodes_nodeids=every,
                nodes_featureids=[0] * len(every),
                nodes_values=[0.5] * len(every),
                nodes_modes=["BRANCH_LEQ"] * depth + ["LEAF"] * len(leaves),
                nodes_truenodeids=[number + 1 for number in nodes] + [0] * len(leaves),
                nodes_falsenodeids=[min(depth + 1 + number, 2 * depth) for number in nodes] + [0] * len(leaves),
                target_treeids=[0] * len(leaves),
                target_nodeids=leaves,
                target_ids=[0] * len(leaves),
                target_weights=[1.0] * len(leaves),
            )
        ]
    )


def looping(trips):
    body = helper.make_graph(
        [helper.make_node("Identity", ["ci"], ["co"]), helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [value("i", [], TensorProto.INT64), value("ci", [], TensorProto.BOOL), value("v", ["n", 4])],
        [value("co", [], TensorProto.BOOL), value("w", ["n", 4])],
    )
    hidden = helper.make_node("Identity", ["given"], ["trips"])
    loop = helper.make_node("Loop", ["trips", "c", "x"], ["y"], body=body)
    return model([hidden, loop], initializers=[ints("given", trips), numpy_helper.from_array(np.array(True), "c")])


def filling(size):
    hidden = helper.make_node("Identity", ["given"], ["s"])
    return model([hidden, helper.make_node("ConstantOfShape", ["s"], ["y"])], initializers=[ints("given", [size])])


def pooling(**attributes):
    return model([node("MaxPool", kernel_shape=[2, 2], **attributes)], ["n", 1, 4, 4])


def lstm():
    made = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=3)
    return model(
        [made], ["time", "batch", 2], [floats("w", (1, 12, 2)), floats("r", (1, 12, 3))], out=["time", 1, "batch", 3]
    )


def scanned(made, limits=LIMITS, **files):
    content = {"model.onnx": memoryview(made.SerializeToString()), **files}
    return scan_all(scanned_memory(content), limits)


HOSTILE = {
    "a layer normalization without a bias's name": (model([node("LayerNormalization", ["x", "w", ""])], initializers=[floats("w", 4)]), "crash: .* SIGSEGV"),
    "a Fourier transform without names": (model([node("DFT", ["x", "", ""])], ["n", 4, 1], opset=20), "crash: .* SIGSEGV"),
    "a tree that is a chain": (tree(20_000), "crash: .* SIGSEGV"),
    "a loop behind an identity": (looping(10**12), "time: the scan exceeded 4 seconds"),
    "a fill behind an identity": (filling(2**33), "memory: "),
    "targets without end": (tree(1, targets=2**31), "memory: "),
    "pads without end": (pooling(pads=[2**31] * 4), "error: ONNX Runtime cannot load it: Fail"),
    "strides of a transposed convolution": (model([node("ConvTranspose", ["x", "w"], strides=[2**31])], ["n", 1, 4], [floats("w", (1, 1, 2))]), "memory: |error: "),
    "a size without end": (model([node("LRN", size=2**31 + 1)], ["n", 1, 4, 4]), "memory: |error: "),
}  # fmt: skip


@pytest.mark.parametrize("what", list(HOSTILE))
def test_trial_refuses_what_rules_and_checker_let_pass_and_says_how_it_ended(what):
    made, says = HOSTILE[what]
    assert list(scan_graph("model.onnx", memoryview(made.SerializeToString()), {}, LIMITS)) == []
    (finding,) = scanned(made).findings
    assert finding.path == "model.onnx"
    assert re.search(says, finding.reason), finding.reason


@pytest.mark.parametrize("made", [looping(1000), filling(1000), tree(100), pooling(strides=[2, 2])], ids=["loop", "fill", "tree", "pool"])  # fmt: skip
def test_trial_admits_the_same_models_of_ordinary_size(made):
    assert scanned(made).findings == ()


@pytest.mark.parametrize("name", ["light_vgg19", "light_bvlc_alexnet"])
def test_trial_admits_large_models_that_fill_their_weights(name):
    path = Path(onnx.__file__).parent / f"backend/test/data/light/{name}.onnx"
    assert scan_all(scanned_memory({"model.onnx": memoryview(path.read_bytes())}), ScanLimits()).findings == ()


def test_trial_admits_a_model_that_refuses_zeros_of_size_one():
    made = model([node("Conv", ["x", "w"])], ["n", 3, "h", "v"], [floats("w", (1, 3, 3, 3))], out=["n", 1, "a", "b"])
    assert scanned(made).findings == ()


def test_trial_admits_a_model_without_a_kernel_for_this_processor():
    made = model([node("Identity")], out=["n", 4])
    made.graph.node[0].op_type = "Swish"
    made.opset_import[0].version = 24
    for item in (*made.graph.input, *made.graph.output):
        item.type.tensor_type.elem_type = TensorProto.BFLOAT16
    assert scanned(made).findings == ()


def test_trial_finds_the_axes_that_may_be_empty():
    joined = helper.make_node("Concat", ["past", "x"], ["y"], axis=2)
    made = model([joined], ["b", 2, "s", 4], out=["b", 2, "t", 4])
    made.graph.input.append(value("past", ["b", 2, "p", 4]))
    assert {name: tuple(axes) for name, axes in scanned(made).empty_axes["model.onnx"].items()} == {
        "x": (0, 2),
        "past": (0, 2),
    }


def test_trial_finds_no_empty_axis_where_the_process_ends():
    """An LSTM over a batch of 0 aborts with ONNX Runtime 1.32; over 0 time steps it does not."""
    report = scanned(lstm())
    assert report.findings == ()
    assert report.empty_axes["model.onnx"] == {"x": (0,)}


def test_trial_runs_with_the_shapes_of_the_card():
    """With 1 for each free size this model is a bomb of no size; with the card's shape it takes too much memory."""
    steps = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Mul", ["s", "k"], ["t"]), helper.make_node("ConstantOfShape", ["t"], ["y"])]  # fmt: skip
    made = model(steps, ["n"], [ints("k", [2**22])])
    card = {"inputs": [{"name": "x", "example_shape": [2**12]}]}
    assert scanned(made).findings == ()
    (finding,) = scanned(made, **{"card.json": memoryview(json.dumps(card).encode())}).findings
    assert "memory: " in finding.reason


@pytest.mark.parametrize(
    "card", [b"", b"[]", b'{"inputs":7}', b'{"inputs":[{"name":"x","example_shape":["a"]}]}', b"[" * 99_999]
)
def test_trial_ignores_a_card_that_it_cannot_read(card):
    assert scanned(pooling(), **{"card.json": memoryview(card)}).findings == ()


def test_trial_reads_external_data_as_zeros_of_its_size():
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", "w.data"), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=text)
    made = model([node("Mul", ["x", "w"])], out=["n", 4], initializers=[tensor])
    files = {"w.data": memoryview(np.ones(4, np.float32).tobytes())}
    assert scanned(made, **files).findings == ()
    deeper = {"a/model.onnx": memoryview(made.SerializeToString()), "a/w.data": files["w.data"]}
    assert scan_all(scanned_memory(deeper), LIMITS).findings == ()
