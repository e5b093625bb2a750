"""ONNX admission: a signature says who made a model, not that it is harmless."""

import onnx
import pytest
from onnx import TensorProto, helper

from governance.artifacts.scan import scan_model, scan_onnx
from governance.errors import ManifestMismatchError


def model(nodes, initializers=(), **changes):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 17), *changes.pop("opsets", [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, **changes)


IDENTITY = helper.make_node("Identity", ["x"], ["y"])


def test_an_ordinary_model_passes():
    scan_onnx(model([IDENTITY]).SerializeToString())


def external():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    return model([IDENTITY], [tensor])


def lying_tensor():
    return model([IDENTITY], [TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**40], raw_data=b"1234")])


def function_bomb():
    made = model([IDENTITY])
    made.functions.append(
        helper.make_function("d", "f", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [])
    )
    return made


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (external(), "another file"),
        (lying_tensor(), "shape says otherwise"),
        (function_bomb(), "local functions"),
        (model([helper.make_node("Run", ["x"], ["y"], domain="evil")], opsets=[helper.make_opsetid("evil", 1)]), "domain"),
        (model([helper.make_node("EPContext", ["x"], ["y"])]), "compiled blob"),
        (model([helper.make_node("NoSuchOperator", ["x"], ["y"])]), "checker"),
    ],
)  # fmt: skip
def test_a_hostile_model_is_refused_with_its_reason(made, says):
    with pytest.raises(ManifestMismatchError, match=says):
        scan_onnx(made.SerializeToString())


def test_runtime_configuration_in_the_metadata_is_refused():
    made = model([IDENTITY])
    onnx.helper.set_model_props(made, {"ort_config": "{}"})
    with pytest.raises(ManifestMismatchError, match="ort_config"):
        scan_onnx(made.SerializeToString())


@pytest.mark.parametrize("name", ["model.pkl", "MODEL.PT", "weights.h5", "w.joblib"])
def test_files_that_run_code_when_loaded_are_refused(name):
    with pytest.raises(ManifestMismatchError, match="run code"):
        scan_model({name: memoryview(b"x")})


def test_garbage_is_no_model():
    with pytest.raises(ManifestMismatchError, match="not an ONNX model"):
        scan_onnx(b"\xff" * 40)
