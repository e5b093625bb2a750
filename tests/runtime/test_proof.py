"""The proof of the device: what a profile says of each node, and what counts as elsewhere."""

import json
import os

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from governance.errors import ConfigurationError
from governance.runtime import proof
from governance.runtime.device import PROVIDER_OF, kept_provider, provider_options
from governance.runtime.proof import RunNode, elsewhere, profile_folder, profiled_nodes, read_nodes
from governance.settings import RuntimeSettings

CUDA, TENSORRT, CPU = (PROVIDER_OF[name] for name in ("cuda", "tensorrt", "cpu"))


def profile_of_a_run():
    made = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Shape", ["x"], ["s"]),
                helper.make_node("Concat", ["s", "s"], ["ss"], axis=0),
                helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0),
            ],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["a", 2])],
            [
                helper.make_tensor_value_info("y", TensorProto.FLOAT, []),
                helper.make_tensor_value_info("ss", TensorProto.INT64, [4]),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=10,
    )
    options = onnxruntime.SessionOptions()
    with profile_folder() as folder:
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/run"
        session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=[CPU])
        nodes = profiled_nodes(session, lambda: session.run(None, {"x": np.ones((3, 2), np.float32)}))
    assert not os.path.exists(folder)
    return nodes


def test_profile_of_a_real_run_names_each_node_and_its_provider():
    assert set(profile_of_a_run()) == {
        RunNode("Shape", CPU, is_shape=True),
        RunNode("Concat", CPU, is_shape=True),
        RunNode("ReduceSum", CPU, is_shape=False),
    }


def test_nodes_of_a_cpu_run_do_not_prove_a_gpu():
    assert elsewhere(profile_of_a_run(), "cuda") == "1 of 3 nodes ran elsewhere (ReduceSum by CPU)"
    assert elsewhere(profile_of_a_run(), "cpu") == ""


@pytest.mark.parametrize(
    ("device", "nodes", "said"),
    [
        ("cuda", [RunNode("Conv", CUDA, False)], ""),
        ("cuda", [RunNode("Conv", CUDA, False), RunNode("Shape", CPU, True)], ""),
        ("cuda", [RunNode("Shape", CPU, True)], "no node ran there"),
        ("cuda", [], "names no node"),
        (
            "cuda",
            [RunNode("Conv", CUDA, False), RunNode("Loop", CPU, False)],
            "1 of 2 nodes ran elsewhere (Loop by CPU)",
        ),
        ("cuda", [RunNode("Conv", CPU, False)] * 3, "3 of 3 nodes ran elsewhere (3 × Conv by CPU)"),
        ("tensorrt", [RunNode("TRTKernel", TENSORRT, False), RunNode("NonZero", CUDA, False)], ""),
        ("tensorrt", [RunNode("Conv", CPU, False)], "1 of 1 nodes"),
        ("openvino", [RunNode("Conv", CUDA, False)], "Conv by CUDA"),
    ],
)
def test_elsewhere_names_what_did_not_run_on_the_device(device, nodes, said):
    found = elsewhere(nodes, device)
    assert said in found if said else found == ""


def event(outputs, provider=CPU):
    return {"cat": "Node", "args": {"provider": provider, "op_name": "Mul", "output_type_shape": outputs}}


@pytest.mark.parametrize(
    ("outputs", "is_shape"),
    [
        ([{"int64": [4]}], True),
        ([{"int64": []}], True),
        ([{"int64": [proof.MAX_SHAPE_ELEMENTS]}], True),
        ([{"int64": [proof.MAX_SHAPE_ELEMENTS + 1]}], False),
        ([{"int64": [4]}, {"float": [1]}], False),
        ([], False),
    ],
)
def test_only_few_integers_count_as_arithmetic_of_shapes(outputs, is_shape):
    assert read_nodes(json.dumps([event(outputs)]).encode())[0].is_shape is is_shape


@pytest.mark.parametrize("profile", [b"", b"{}", b'[{"cat": "Node"', b'[{"cat": 7, "args": []}]'])
def test_a_profile_that_cannot_be_read_proves_nothing(profile):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_nodes(profile)


def test_events_that_are_no_nodes_are_left_out():
    events = [{"cat": "Session", "args": {}}, {"cat": "Node", "args": {}}, event([])]
    assert len(read_nodes(json.dumps(events).encode())) == 1


def test_kept_provider_detects_session_without_its_provider():
    assert kept_provider([CUDA, CPU], "cuda")
    assert not kept_provider([CPU], "cuda")
    assert not kept_provider([], "cuda")


def test_options_of_each_device_hold_what_the_settings_ask():
    half = RuntimeSettings(device_id=1, precision="fp16", cuda_graphs=True, openvino_device="GPU")
    assert provider_options("cuda", half) == [(CUDA, {"device_id": 1, "enable_cuda_graph": "1"})]
    assert provider_options("tensorrt", half) == [
        (TENSORRT, {"device_id": 1, "trt_fp16_enable": True, "trt_cuda_graph_enable": True}),
        (CUDA, {"device_id": 1}),
    ]
    assert provider_options("openvino", half) == [
        (PROVIDER_OF["openvino"], {"device_type": "GPU", "precision": "FP16"})
    ]
    assert provider_options("cpu", half) == [(CPU, {})]
    assert provider_options("cuda", RuntimeSettings()) == [(CUDA, {"device_id": 0})]
    assert provider_options("openvino", RuntimeSettings()) == [(PROVIDER_OF["openvino"], {"device_type": "CPU"})]
