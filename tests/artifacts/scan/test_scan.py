"""The scan of ONNX models: hostile models are refused even if they are signed."""

import os
import time

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from governance.artifacts.format.sources import read_folder
from governance.artifacts.scan.limits import ScanLimits
from governance.artifacts.scan.scan import admit, scan, scan_graph, scanned_memory, scanned_sources
from governance.errors import ManifestMismatchError

LIMITS = ScanLimits()
IDENTITY = helper.make_node("Identity", ["x"], ["y"])


def model(nodes, initializers=(), inputs=None, rank=1, **changes):
    graph = helper.make_graph(
        nodes,
        "g",
        inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["any"] * rank)],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 17), *changes.pop("opsets", [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, **changes)


def ints(name, values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def external(location, offset="0", length="4", dims=(1,)):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    return model([IDENTITY], [tensor])


def with_functions(*functions):
    made = model([helper.make_node("f0", ["x"], ["y"], domain="d")], opsets=[helper.make_opsetid("d", 1)])
    made.functions.extend(functions)
    return made


def function(name, callee, times):
    nodes = [helper.make_node(callee, ["a" if i == 0 else f"t{i}"], [f"t{i + 1}"], domain="" if callee == "Identity" else "d") for i in range(times)]  # fmt: skip
    nodes[-1].output[0] = "b"
    return helper.make_function(
        "d", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
    )


def bomb():
    return with_functions(*(function(f"f{i}", f"f{i + 1}" if i < 29 else "Identity", 10) for i in range(30)))


def recursion():
    return with_functions(function("f0", "f1", 1), function("f1", "f0", 1))


def loop(trips, inner=None, condition="c"):
    body = helper.make_graph(
        [helper.make_node("Identity", ["ci"], ["co"]), helper.make_node("Identity", ["v"], ["w"]), *([inner] if inner else [])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("ci", TensorProto.BOOL, []), helper.make_tensor_value_info("v", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("co", TensorProto.BOOL, []), helper.make_tensor_value_info("w", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    return helper.make_node("Loop", [trips, condition, "x"], ["y"], body=body, name="l")


def looping(count):
    return model([loop("n")], [ints("n", count), numpy_helper.from_array(np.array(True), "c")])


def endless():
    return model([loop("")], [numpy_helper.from_array(np.array(True), "c")])


def nested_loops():
    inner = loop("n")
    inner.output[0] = "z"
    return model([loop("n", inner)], [ints("n", 10_000), numpy_helper.from_array(np.array(True), "c")])


def lying_tensor():
    return model([IDENTITY], [TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**40], raw_data=b"1234")])


def typed_lying_tensor():
    return model([IDENTITY], [TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**40], float_data=[1.0])])


def deep(levels):
    graph = helper.make_graph([IDENTITY], "leaf", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    for _ in range(levels):
        node = helper.make_node("If", ["c"], ["y"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
        graph.node[0].attribute[1].CopyFrom(helper.make_attribute("else_branch", helper.make_graph([IDENTITY], "e", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])))  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def scanned(made, sizes=None, limits=LIMITS):
    content = made if isinstance(made, bytes) else made.SerializeToString()
    return [str(finding) for finding in scan_graph("model.onnx", memoryview(content), sizes or {}, limits)]


@pytest.mark.parametrize(
    ("made", "sizes"),
    [
        (model([IDENTITY]), {}),
        (external("w.data"), {"w.data": 4}),
        (with_functions(function("f0", "Identity", 3)), {}),
        (looping(100), {}),
        (model([loop("n")], [numpy_helper.from_array(np.array(True), "c")], inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]), helper.make_tensor_value_info("n", TensorProto.INT64, [])]), {}),
        (model([helper.make_node("ConstantOfShape", ["s"], ["y"])], [ints("s", [1000, 1000])], rank=2), {}),
    ],
    ids=["plain", "external data", "functions", "bounded loop", "loop over the input", "a small fill"],
)  # fmt: skip
def test_scan_accepts_an_ordinary_model(made, sizes):
    assert scanned(made, sizes) == []


HOSTILE = [
    (external("/etc/passwd"), "outside the artifact"),
    (external("../w.data"), "outside the artifact"),
    (external("a/../../w.data"), "outside the artifact"),
    (external("other.data"), "not in the artifact"),
    (external("w.data", offset="1"), "beyond the end"),
    (external("w.data", offset="-4"), "missing or wrong"),
    (external("w.data", offset="9" * 19), "beyond the end"),
    (external("w.data", offset="0" * 20), "missing or wrong"),
    (external("w.data", length="0_4"), "missing or wrong"),
    (external("w.data", length=" 4"), "missing or wrong"),
    (external("w.data", length="+4"), "missing or wrong"),
    (external("w.data", length="\u0664"), "missing or wrong"),
    (external("w.data", length="x"), "missing or wrong"),
    (external("w.data", dims=(2,)), "does not fit its shape"),
    (lying_tensor(), "does not fit its shape"),
    (typed_lying_tensor(), "elements, and its data"),
    (bomb(), "expands to"),
    (recursion(), "calls itself"),
    (endless(), "nothing bounds"),
    (looping(10**12), "it runs 1000000000000 times"),
    (nested_loops(), "it runs 100000000 times"),
    (model([helper.make_node("ConstantOfShape", ["s"], ["y"])], [ints("s", [2**38])]), "it creates a tensor"),
    (model([helper.make_node("Constant", [], ["s"], value_ints=[2**20, 2**20]), helper.make_node("ConstantOfShape", ["s"], ["y"])]), "it creates a tensor"),
    (model([helper.make_node("Expand", ["x", "s"], ["y"])], [ints("s", [2**40])]), "it creates a tensor"),
    (model([helper.make_node("Tile", ["x", "s"], ["y"])], [ints("s", [2**40])]), "it creates a tensor"),
    (model([helper.make_node("Range", ["a", "b", "c"], ["y"])], [ints("a", 0), ints("b", 2**40), ints("c", 1)]), "it creates a tensor"),
    (model([helper.make_node("RandomNormal", [], ["y"], shape=[2**20, 2**20])]), "it creates a tensor"),
    (model([helper.make_node("Pad", ["x", "p"], ["y"])], [ints("p", [2**40, 0])]), "it creates a tensor"),
    (model([IDENTITY], inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [2**20, 2**20])]), "the limit is"),
    (model([helper.make_node("Run", ["x"], ["y"], domain="evil")], opsets=[helper.make_opsetid("evil", 1)]), "domain 'evil'"),
    (model([helper.make_node("EPContext", ["x"], ["y"])]), "compiled blob"),
    (model([helper.make_node("NoSuchOperator", ["x"], ["y"])]), "checker"),
    (deep(20), "nested more than"),
    (b"\xff" * 40, "not an ONNX model"),
    (b"", "checker"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "says"), HOSTILE, ids=[f"{number} {says}" for number, (_, says) in enumerate(HOSTILE)]
)
def test_scan_refuses_hostile_models_with_the_reason(made, says):
    started = time.monotonic()
    findings = scanned(made, {"w.data": 4})
    assert findings and says in findings[0], findings
    assert time.monotonic() - started < 30


def test_scan_refuses_runtime_configuration_in_the_metadata():
    made = model([IDENTITY])
    onnx.helper.set_model_props(made, {"ort_config": "{}"})
    assert "ort_config" in scanned(made)[0]


def test_scan_can_allow_an_operator_domain():
    made = model([helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")], opsets=[helper.make_opsetid("com.microsoft", 1)])  # fmt: skip
    assert "domain 'com.microsoft'" in scanned(made)[0]
    assert scanned(made, limits=ScanLimits(domains=frozenset({"com.microsoft"}))) == []


@pytest.mark.parametrize("name", ["model.pkl", "MODEL.PT", "weights.h5", "w.joblib", "w.npz", "a/b.ckpt"])
def test_scan_refuses_files_that_run_code_when_loaded_by_name(name):
    assert "run code" in str(scan(scanned_memory({name: memoryview(b"x")}), ScanLimits())[0])


@pytest.mark.parametrize(
    ("name", "content"),
    [("weights.bin", b"\x80\x04\x95abc"), ("model.onnx", b"PK\x03\x04data.pkl"), ("readme.txt", b"\x89HDF\r\n")],
)
def test_scan_refuses_files_that_run_code_when_loaded_by_content(name, content):
    assert "run code" in str(scan(scanned_memory({name: memoryview(content)}), ScanLimits())[0])


def test_scan_child_process_reports_its_findings():
    files = scanned_memory({"a/model.onnx": memoryview(bomb().SerializeToString()), "card.json": memoryview(b"{}")})
    (finding,) = scan(files, ScanLimits())
    assert finding.path == "a/model.onnx" and "expands" in finding.reason
    with pytest.raises(ManifestMismatchError, match="a/model.onnx: it expands"):
        admit(files, ScanLimits())
    admit(scanned_memory({"model.onnx": memoryview(model([IDENTITY]).SerializeToString())}), ScanLimits())


def test_scan_that_exceeds_its_limits_is_a_finding():
    many = model([helper.make_node("Identity", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(50_000)])
    files = scanned_memory({"model.onnx": memoryview(many.SerializeToString())})
    (finding,) = scan(files, ScanLimits(memory_bytes=2**24))
    assert "memory: the scan exceeded" in finding.reason


def test_scan_refuses_a_link_in_a_folder(tmp_path):
    from governance.errors import ConfigurationError

    (tmp_path / "target").write_bytes(b"x")
    folder = tmp_path / "model"
    folder.mkdir()
    os.symlink(tmp_path / "target", folder / "weights.data")
    with pytest.raises(ConfigurationError, match="link"):
        scanned_sources(read_folder(folder))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_scan_of_a_mutated_model_never_raises(data):
    content = bytearray(looping(10).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    scanned(bytes(content))
