"""The runtime: models open from memory on the required device, and never silently on another one."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from governance.errors import BadRequestError, ConfigurationError, ManifestMismatchError, NotReadyError
from governance.runtime.model import open_model
from governance.settings import RuntimeSettings

CARD = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    "classes": ["no", "yes"],
}


def graph():
    made = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()


def opened(card=CARD, content=None, **settings):
    return open_model("m", 3, "sha256:x", content or graph(), card, RuntimeSettings(**settings))


def test_runtime_model_runs_from_memory():
    model = opened()
    outputs, seconds = model.run({"x": np.ones((5, 2), np.float32)})
    assert outputs["y"].tolist() == [[2, 2]] * 5
    assert seconds > 0
    assert (model.version, model.device, model.ready, model.degraded) == ("3", "cpu", True, False)
    assert model.classes == ("no", "yes")


async def test_runtime_model_runs_long_batch_in_a_thread():
    model = opened()
    model._seconds_per_item = 10.0
    outputs, _ = await model.infer({"x": np.ones((5, 2), np.float32)}, 5)
    assert outputs["y"].tolist() == [[2, 2]] * 5


def without_cuda():
    import onnxruntime

    return "CUDAExecutionProvider" not in onnxruntime.get_available_providers()


@pytest.mark.skipif(not without_cuda(), reason="this runtime has CUDA")
@pytest.mark.parametrize(
    "settings", [{"providers": ("cuda",)}, {"providers": ("cuda", "cpu"), "require_device": "cuda"}]
)
def test_runtime_model_without_required_gpu_is_not_ready(settings):
    model = opened(**settings)
    assert (model.ready, model.device) == (False, "none")
    assert "cuda is asked for" in model.reason
    with pytest.raises(NotReadyError):
        model.run({"x": np.ones((1, 2), np.float32)})


@pytest.mark.skipif(not without_cuda(), reason="this runtime has CUDA")
def test_runtime_model_falls_back_to_cpu_only_if_allowed_and_is_degraded():
    model = opened(providers=("cuda", "cpu"), allow_fallback=True)
    assert (model.ready, model.degraded, model.device) == (True, True, "cpu")
    assert "runs on cpu" in model.reason
    assert not opened(providers=("cuda",), allow_fallback=True).ready


@pytest.mark.parametrize(
    "card",
    [{**CARD, "inputs": [{"name": "z", "datatype": "FP32", "shape": [-1, 2]}]}, {**CARD, "outputs": []},
     {**CARD, "inputs": [{"name": "x", "datatype": "INT8", "shape": [-1, 2]}]}, {}, {**CARD, "classes": [1]}],
)  # fmt: skip
def test_runtime_model_refuses_card_that_contradicts_the_graph(card):
    with pytest.raises(ManifestMismatchError, match=r"card\.json"):
        opened(card)


def test_runtime_model_refuses_content_that_onnx_runtime_cannot_load():
    with pytest.raises(ConfigurationError, match="cannot load"):
        opened(content=b"garbage")


def test_runtime_model_refuses_wrong_shape_without_the_text_of_onnx_runtime():
    with pytest.raises(BadRequestError) as refusal:
        opened().run({"x": np.ones((1, 3), np.float32)})
    assert "Got" not in str(refusal.value)


def test_runtime_model_that_is_closed_is_not_ready():
    model = opened()
    model.close()
    with pytest.raises(NotReadyError):
        model.run({"x": np.ones((1, 2), np.float32)})


def test_runtime_test_graph_is_valid_onnx():
    onnx.checker.check_model(onnx.load_model_from_string(graph()))


class Failing:
    """A session whose run fails with an error of ONNX Runtime."""

    def __init__(self, error):
        self._error = error

    def run(self, names, inputs):
        raise self._error


@pytest.mark.parametrize("name", ["Fail", "InvalidArgument", "NotImplemented", "RuntimeException"])
def test_runtime_model_refuses_what_onnx_runtime_refuses(name):
    from onnxruntime.capi import onnxruntime_pybind11_state

    model = opened()
    model._session = Failing(getattr(onnxruntime_pybind11_state, name)("jane@example.org"))
    with pytest.raises(BadRequestError, match="see its metadata") as refusal:
        model.run({"x": np.ones((5, 2), np.float32)})
    assert "jane" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Error in execution: Got invalid dimensions", BadRequestError),
        ("Error in execution: CUDA failure 2", RuntimeError),
    ],
)
def test_runtime_model_with_bound_tensors_blames_the_caller_for_tensors_only(text, expected):
    model = opened()
    model._session = Failing(RuntimeError(text))
    with pytest.raises(expected):
        model.run({"x": np.ones((5, 2), np.float32)})


@pytest.mark.parametrize("name", ["EPFail", "EngineError"])
def test_runtime_model_does_not_blame_the_caller_for_a_failed_device(name):
    from onnxruntime.capi import onnxruntime_pybind11_state

    kind = getattr(onnxruntime_pybind11_state, name)
    model = opened()
    model._session = Failing(kind("device"))
    with pytest.raises(kind):
        model.run({"x": np.ones((5, 2), np.float32)})
