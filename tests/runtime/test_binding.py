"""Bound tensors: equal shapes share buffers, and no answer lies in a buffer that a later run writes.

The host's memory takes the place of a device's: the calls of ONNX Runtime are the same.
"""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from governance.runtime.binding import MAX_SHAPES, BoundRuns, DeviceMemory, device_memory


def session_of(nodes, inputs, outputs):
    made = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=10,
    )
    onnx.checker.check_model(made)
    return onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])


def doubling(kind=TensorProto.FLOAT):
    return session_of(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        [helper.make_tensor_value_info("x", kind, ["a", "b"])],
        [helper.make_tensor_value_info("y", kind, ["a", "b"])],
    )


class Counted:
    """A session that counts its bindings: one for each set of buffers."""

    def __init__(self, session):
        self.session, self.bindings = session, 0

    def io_binding(self):
        self.bindings += 1
        return self.session.io_binding()

    def __getattr__(self, name):
        return getattr(self.session, name)

    def run_with_iobinding(self, binding, options):
        self.session.run_with_iobinding(binding, options)


def bound(session, *, graphs=False, pinned=None, names=("y",)):
    return BoundRuns(onnxruntime, session, names, DeviceMemory("cpu", 0, pinned), graphs=graphs)


@pytest.mark.parametrize("graphs", [False, True])
def test_bound_runs_answer_like_plain_runs_and_share_buffers(graphs):
    session = Counted(doubling())
    runs, generator = bound(session, graphs=graphs), np.random.default_rng(0)
    for shape in ((2, 3), (2, 3), (5, 1), (2, 3), (0, 3), (5, 1)):
        x = generator.random(shape, np.float32)
        assert np.array_equal(runs.run({"x": x})[0], x + x)
    assert session.bindings == 3


@pytest.mark.parametrize("graphs", [False, True])
def test_bound_runs_leave_earlier_answers_as_they_are(graphs):
    runs = bound(doubling(), graphs=graphs)
    answers = [runs.run({"x": np.full((2, 2), float(number), np.float32)})[0] for number in range(6)]
    assert [answer[0, 0] for answer in answers] == [0, 2, 4, 6, 8, 10]


def test_bound_runs_take_views_that_are_not_contiguous():
    x = np.arange(6, dtype=np.float32).reshape(2, 3).T
    runs = bound(doubling())
    assert np.array_equal(runs.run({"x": x})[0], x + x)
    assert np.array_equal(runs.run({"x": x})[0], x + x)


@pytest.mark.parametrize("graphs", [False, True])
def test_bound_runs_keep_buffers_of_few_shapes_only(graphs):
    runs = bound(doubling(), graphs=graphs)
    for size in range(1, 3 * MAX_SHAPES):
        assert runs.run({"x": np.ones((size, 1), np.float32)})[0].shape == (size, 1)
    assert len(runs._kept) == MAX_SHAPES
    runs.close()
    assert not runs._kept


def test_bound_runs_without_graphs_take_outputs_whose_shape_depends_on_values():
    session = session_of(
        [helper.make_node("NonZero", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["a"])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1, "n"])],
    )
    runs = bound(session)
    assert runs.run({"x": np.array([1, 0, 1], np.float32)})[0].tolist() == [[0, 2]]
    assert runs.run({"x": np.array([0, 0, 1], np.float32)})[0].tolist() == [[2]]


def test_bound_runs_take_texts_without_a_device():
    session = session_of(
        [helper.make_node("Identity", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.STRING, ["a"])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, ["a"])],
    )
    assert bound(session).run({"x": np.array(["a", "b"], object)})[0].tolist() == ["a", "b"]


def test_bound_runs_copy_through_pinned_memory_where_there_is_some():
    kind = onnxruntime.OrtDeviceMemoryType.DEFAULT
    here = next(one for one in onnxruntime.get_ep_devices() if one.ep_name == "CPUExecutionProvider")
    runs = bound(doubling(), pinned=here.memory_info(kind))
    x = np.arange(4, dtype=np.float32).reshape(2, 2)
    assert np.array_equal(runs.run({"x": x})[0], x + x)
    assert np.array_equal(runs.run({"x": 2 * x})[0], 4 * x)


def test_device_memory_without_a_gpu_has_no_pinned_part():
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this runtime has CUDA")
    assert device_memory(onnxruntime, "cuda", 0) == DeviceMemory("cuda", 0, None)
