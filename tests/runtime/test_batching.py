"""Batching: waiting requests share a run, and nothing else; only models whose rows do not influence each other may."""

import asyncio

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from governance.errors import BadRequestError, ConfigurationError
from governance.runtime.batching import MAX_ITEMS, Batcher
from governance.runtime.model import open_model
from governance.settings import RuntimeSettings


class Double:
    """A model that doubles its rows, refuses rows with 13, and remembers the sizes of its batches."""

    def __init__(self, seconds=0.00001):
        self.batches, self.seconds = [], seconds

    def __call__(self, inputs):
        self.batches.append(inputs["x"].shape)
        if (inputs["x"] == 13).any():
            raise BadRequestError("13")
        return {"y": inputs["x"] * 2}, self.seconds * len(inputs["x"])


def rows(*numbers, width=1):
    return {"x": np.repeat(np.array(numbers, np.float32)[:, None], width, axis=1)}


async def warmed(model):
    batcher = Batcher(model)
    for _ in range(60):
        await batcher.infer(rows(1), 1)
    model.batches.clear()
    return batcher


async def ask(batcher, *requests):
    return await asyncio.gather(*(batcher.infer(one, len(one["x"])) for one in requests), return_exceptions=True)


async def test_requests_that_wait_share_a_batch_and_each_gets_its_own_rows():
    batcher = await warmed(model := Double())
    results = await ask(batcher, rows(1), rows(2, 3), rows(4))
    assert model.batches == [(4, 1)]
    assert [outputs["y"].ravel().tolist() for outputs, _ in results] == [[2], [4, 6], [8]]
    assert [round(seconds / model.seconds) for _, seconds in results] == [1, 2, 1]
    assert all(outputs["y"].base is None for outputs, _ in results)


async def test_requests_of_different_shapes_or_types_do_not_share_a_batch():
    batcher = await warmed(model := Double())
    other = {"x": np.ones((1, 1), np.float64)}
    results = await ask(batcher, rows(1), rows(2, width=3), rows(3), other)
    assert sorted(model.batches) == [(1, 1), (1, 3), (2, 1)]
    assert [outputs["y"].ravel().tolist() for outputs, _ in results] == [[2], [4, 4, 4], [6], [2]]


async def test_an_error_reaches_only_the_request_that_caused_it():
    batcher = await warmed(Double())
    first, wrong, last = await ask(batcher, rows(1), rows(13), rows(3))
    assert isinstance(wrong, BadRequestError)
    assert [first[0]["y"].tolist(), last[0]["y"].tolist()] == [[[2]], [[6]]]


async def test_a_cancelled_request_is_not_run_and_disturbs_no_other():
    batcher = await warmed(model := Double())
    gone = asyncio.create_task(batcher.infer(rows(1), 1))
    stays = asyncio.create_task(batcher.infer(rows(2), 1))
    asyncio.get_running_loop().call_soon(gone.cancel)
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays)[0]["y"].tolist() == [[4]]
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert len(model.batches) == 1


async def test_a_batch_is_limited_and_the_rest_comes_next():
    batcher = await warmed(model := Double())
    numbers = range(100, 100 + 3 * MAX_ITEMS)
    results = await ask(batcher, *map(rows, numbers))
    assert [outputs["y"][0, 0] for outputs, _ in results] == [2 * number for number in numbers]
    assert max(size for size, _ in model.batches) <= MAX_ITEMS
    assert sum(size for size, _ in model.batches) == 3 * MAX_ITEMS


async def test_long_runs_go_to_a_thread_and_what_arrives_meanwhile_is_the_next_batch():
    model = Double(seconds=0.1)
    batcher = Batcher(model)
    await batcher.infer(rows(1), 1)
    model.batches.clear()
    results = await ask(batcher, *(rows(number) for number in range(5)))
    assert [outputs["y"][0, 0] for outputs, _ in results] == [0, 2, 4, 6, 8]
    assert model.batches == [(5, 1)]


async def test_an_output_without_one_row_for_each_row_is_never_split():
    def flat(inputs):
        return {"y": np.zeros((1, 1))}, 0.00001

    batcher = Batcher(flat)
    for _ in range(60):
        await batcher.infer(rows(1), 1)
    for outputs, _ in await ask(batcher, rows(1), rows(2)):
        assert outputs["y"].shape == (1, 1)


def graph(*nodes, shape=("b", 2), out=("b", 2), initializers=()):
    made = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        list(initializers),
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()


def opened(content, shape=(-1, 2), out=(-1, 2)):
    card = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": list(shape)}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": list(out)}],
    }
    return open_model("m", 1, "sha256:x", content, card, RuntimeSettings())


async def test_a_model_of_independent_rows_answers_in_batches_as_it_does_alone():
    weights = numpy_helper.from_array(np.array([[1, 2], [3, 4]], np.float32), "w")
    model = opened(graph(helper.make_node("MatMul", ["x", "w"], ["y"]), initializers=[weights]))
    inputs = [{"x": np.random.default_rng(n).random((1, 2), np.float32)} for n in range(5)]
    alone = [model.run(one)[0]["y"] for one in inputs]
    model.batch_requests()
    together = await asyncio.gather(*(model.infer(one, 1) for one in inputs))
    for expected, (outputs, _) in zip(alone, together, strict=True):
        np.testing.assert_allclose(outputs["y"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Softmax", ["x"], ["y"], axis=0)],
        [helper.make_node("ReduceMax", ["x"], ["most"], keepdims=1), helper.make_node("Div", ["x", "most"], ["y"])],
        [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        ],
        [helper.make_node("CumSum", ["x", "axis"], ["y"])],
    ],
    ids=["softmax over the batch", "greatest of the batch", "scale of the batch", "sum of earlier rows"],
)
def test_a_model_whose_rows_influence_each_other_is_refused(nodes):
    model = opened(graph(*nodes, initializers=[numpy_helper.from_array(np.array(0), "axis")]))
    with pytest.raises(ConfigurationError, match="depends on the other rows"):
        model.batch_requests()


def test_a_model_without_a_batch_is_refused():
    model = opened(graph(helper.make_node("Identity", ["x"], ["y"]), shape=(3, 2), out=(3, 2)), (3, 2), (3, 2))
    with pytest.raises(ConfigurationError, match="needs the batch as its first axis"):
        model.batch_requests()
