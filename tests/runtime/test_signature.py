"""Which axis is the batch, by names and by the card; sizes of 0, unknown ranks, BF16, optional values; the first run."""

import logging

import numpy as np
import pytest
from onnx import TensorProto, helper

from governance.errors import BadRequestError, ConfigurationError, ManifestMismatchError
from governance.runtime.model import open_model
from governance.runtime.session import Plan, place
from governance.runtime.signature import card_entries, signature_of
from governance.settings import RuntimeSettings

FLOAT = TensorProto.FLOAT


def value(name, axes, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, axes)


def graph_of(nodes, inputs, outputs, opset=21, initializers=()):
    made = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10).SerializeToString()


def opened(content, **fields):
    """Open a graph with a card made of it; `fields` are added to the entry of the input of that name."""
    _, session = place(Plan(content, {}, RuntimeSettings()), "m")
    found = signature_of(session, content, {})
    inputs = [{**entry, **fields.get(entry["name"], {})} for entry in card_entries(found.inputs)]
    card = {"inputs": inputs, "outputs": card_entries(found.outputs)}
    return open_model("m", 1, "sha256:x", content, card, RuntimeSettings())


def identity(axes, kind=FLOAT, out=None):
    return graph_of(
        [helper.make_node("Identity", ["x"], ["y"])], [value("x", axes, kind)], [value("y", out or axes, kind)]
    )


def sizes(inputs, outputs):
    """Return a graph that takes these inputs and returns zeros of these outputs' ranks, whatever the sizes."""
    nodes = [helper.make_node("Identity", [name], [f"{name}_unused"]) for name in inputs]
    first = next(iter(inputs))
    for name, axes in outputs.items():
        nodes += [
            helper.make_node("Shape", [first], [f"{name}_s"], end=1),
            helper.make_node("Concat", [f"{name}_s"] * len(axes), [f"{name}_all"], axis=0),
            helper.make_node("ConstantOfShape", [f"{name}_all"], [name]),
        ]
    return graph_of(nodes, [value(*item) for item in inputs.items()], [value(*item) for item in outputs.items()])


def batched(model):
    return [spec.name for spec in model.inputs if spec.is_batch]


@pytest.mark.parametrize(
    ("inputs", "outputs", "batch"),
    [
        ({"x": ["batch", 4]}, {"y": ["batch", 2]}, ["x"]),
        ({"q": ["q", 2], "k": ["k", 2]}, {"y": ["q", "k"]}, []),
        ({"x": ["b", "n"], "w": ["n"]}, {"y": ["b"]}, ["x"]),
        ({"x": ["b", "n"], "w": ["b"]}, {"y": ["b", 3]}, ["x", "w"]),
        ({"sound": ["samples"]}, {"y": [2]}, []),
        ({"sound": ["n"]}, {"y": ["n"]}, []),
        ({"sound": [None]}, {"y": [None]}, []),
        ({"x": [None, 4]}, {"label": [None], "scores": [None, 3]}, ["x"]),
        ({"points": [None, 3]}, {"y": [2]}, []),
        ({"a": [None, 1], "b": [None, 1]}, {"y": [None, 1]}, []),
        ({"x": ["time", "batch", 5], "h": [1, "batch", 8]}, {"y": ["time", "batch", 8]}, []),
        ({"ids": ["b", "s"], "mask": ["b", "t"], "past": ["b", 4, "p", 8]}, {"y": ["b", "s", 9]}, ["ids", "mask", "past"]),
        ({"x": [1, 3, "h", "w"]}, {"y": [1, "h", "w"]}, []),
        ({"x": [2, 2]}, {"y": [2]}, []),
        ({"x": []}, {"y": [1]}, []),
    ],
)  # fmt: skip
def test_batch_is_what_equal_names_say(inputs, outputs, batch):
    content = sizes(inputs, outputs) if inputs != {"x": []} else identity([])
    assert batched(opened(content)) == batch


def test_batch_is_what_the_card_says():
    two = sizes({"q": ["q", 2], "k": ["k", 2]}, {"y": ["q", "k"]})
    assert batched(opened(two, q={"batch": True})) == ["q"]
    named = sizes({"x": ["batch", 4]}, {"y": ["batch", 2]})
    assert batched(opened(named, x={"batch": False})) == []
    assert batched(opened(sizes({"x": ["n"]}, {"y": ["n"]}), x={"batch": True})) == ["x"]


@pytest.mark.parametrize(("axes", "batch", "says"), [(["n"], 1, "true or false"), ([2], True, "fixed size")])
def test_batch_of_a_card_that_does_not_fit_is_refused(axes, batch, says):
    with pytest.raises(ManifestMismatchError, match=says):
        opened(identity(axes), x={"batch": batch})


def test_items_are_those_of_the_batch_or_one():
    assert opened(identity(["b", 2])).items({"x": np.zeros((5, 2))}) == 5
    assert opened(identity(["samples"])).items({"x": np.zeros(16_000)}) == 1


async def test_model_without_a_batch_learns_from_elements():
    model = opened(identity(["samples"]))
    for _ in range(3):
        outputs, _ = await model.infer({"x": np.zeros(16_000, np.float32)}, 1)
    assert outputs["y"].shape == (16_000,)
    assert model._seconds_per_item < 0.001


CONVOLUTION = graph_of(
    [helper.make_node("Conv", ["x", "w"], ["y"])],
    [value("x", ["n", 3, "h", "w_"])],
    [value("y", ["n", 1, "a", "b"])],
    initializers=[helper.make_tensor("w", FLOAT, [1, 3, 3, 3], [0.5] * 27)],
)
RESHAPE = graph_of(
    [helper.make_node("Reshape", ["x", "s"], ["y"])],
    [value("x", ["n"])],
    [value("y", [2, "m"])],
    initializers=[helper.make_tensor("s", TensorProto.INT64, [2], [2, -1])],
)
GATHER = graph_of(
    [helper.make_node("Sub", ["i", "one"], ["j"]), helper.make_node("Gather", ["w", "j"], ["y"])],
    [value("i", ["n"], TensorProto.INT64)],
    [value("y", ["n"])],
    initializers=[
        helper.make_tensor("one", TensorProto.INT64, [], [7]),
        helper.make_tensor("w", FLOAT, [4], [1.0] * 4),
    ],
)


@pytest.mark.parametrize(
    ("content", "name", "good"),
    [
        (CONVOLUTION, "x", np.ones((1, 3, 5, 7), np.float32)),
        (RESHAPE, "x", np.ones(6, np.float32)),
        (GATHER, "i", np.array([8], np.int64)),
    ],
    ids=["convolution", "reshape", "indices"],
)
def test_model_that_refuses_zeros_starts_with_a_warning_and_is_served(content, name, good, caplog):
    with caplog.at_level(logging.WARNING, "governance.models"):
        model = opened(content)
    assert f"free sizes of '{name}'" in caplog.text and '"example_shape"' in caplog.text
    assert model.ready
    assert model.run({name: good})[0]["y"].size


@pytest.mark.parametrize(
    ("content", "shape"), [(CONVOLUTION, [1, 3, 8, 8]), (CONVOLUTION, [2, 3, 3, 3]), (RESHAPE, [4])]
)
def test_model_is_tried_with_the_sizes_of_its_card(content, shape, caplog):
    with caplog.at_level(logging.WARNING, "governance.models"):
        opened(content, x={"example_shape": shape})
    assert caplog.text == ""


def test_refused_zeros_of_the_cards_sizes_are_a_warning_too(caplog):
    with caplog.at_level(logging.WARNING, "governance.models"):
        opened(CONVOLUTION, x={"example_shape": [1, 3, 2, 2]})
    assert "refuses zeros of its shapes" in caplog.text


@pytest.mark.parametrize("shape", [[1, 3, 8], [1, 4, 8, 8], "8", [1, 3, -1, 8], [1, 3, True, 8], [1, 3, 2**20, 2**20]])
def test_example_shape_of_a_card_that_does_not_fit_is_refused(shape):
    with pytest.raises(ManifestMismatchError, match="example_shape"):
        opened(CONVOLUTION, x={"example_shape": shape})


@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 4)])
def test_input_of_unknown_rank_takes_any_rank(shape):
    model = opened(identity(None))
    assert not model.inputs[0].is_ranked
    assert model.run({"x": np.ones(shape, np.float32)})[0]["y"].shape == shape
    assert opened(identity([])).inputs[0].is_ranked


def test_bfloat16_is_float32_outside_of_the_runtime():
    content = graph_of(
        [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["i"], ["j"])],
        [value("x", ["n", 2], TensorProto.BFLOAT16), value("i", ["m"], TensorProto.INT64)],
        [value("y", ["n", 2], TensorProto.BFLOAT16), value("j", ["m"], TensorProto.INT64)],
    )
    model = opened(content)
    numbers = np.array([[1.5, np.inf], [-2.25, np.nan]], np.float32)
    inputs = {"x": numbers[:, ::-1], "i": np.arange(3)}
    outputs, _ = model.run(inputs)
    assert outputs["y"].dtype == np.float32
    assert np.array_equal(outputs["y"], numbers[:, ::-1], equal_nan=True)
    empty = {**inputs, "x": np.empty((0, 2), np.float32)}
    assert model.run(empty)[0]["y"].shape == (0, 2)
    assert outputs["j"].tolist() == [0, 1, 2]
    assert [spec.datatype for spec in model.inputs] == ["BF16", "INT64"]


def optional(kind):
    return helper.make_value_info("y", helper.make_optional_type_proto(kind))


def test_optional_output_is_served_while_it_has_a_value():
    tensor = helper.make_tensor_type_proto(FLOAT, None)
    content = graph_of([helper.make_node("Optional", ["x"], ["y"])], [value("x", ["n"])], [optional(tensor)])
    assert opened(content).run({"x": np.ones(2, np.float32)})[0]["y"].tolist() == [1, 1]


def test_optional_output_without_a_value_is_refused():
    tensor = helper.make_tensor_type_proto(FLOAT, ["n"])
    nothing = helper.make_node("Optional", [], ["y"], type=tensor)
    content = graph_of([nothing, helper.make_node("Identity", ["x"], ["z"])], [value("x", ["n"])], [optional(tensor), value("z", ["n"])])  # fmt: skip
    with pytest.raises(BadRequestError, match="no value for an optional output"):
        opened(content).run({"x": np.ones(2, np.float32)})


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, None)), "ConcatFromSequence"),
        (helper.make_optional_type_proto(helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, None))), "ConcatFromSequence"),
    ],
)  # fmt: skip
def test_sequence_is_refused_with_the_remedy(kind, remedy):
    nodes = [helper.make_node("SequenceConstruct", ["x"], ["s"])]
    last = "Optional" if kind.HasField("optional_type") else "Identity"
    content = graph_of([*nodes, helper.make_node(last, ["s"], ["y"])], [value("x", ["n"])], [helper.make_value_info("y", kind)])  # fmt: skip
    with pytest.raises(ConfigurationError, match=remedy):
        opened(content)


def test_type_that_the_protocol_lacks_is_refused_with_the_remedy():
    with pytest.raises(ConfigurationError, match=r"tensor\(float8e4m3fn\).*add a Cast"):
        opened(identity(["n"], TensorProto.FLOAT8E4M3FN))


def test_text_that_utf8_cannot_write_is_refused():
    model = opened(identity(["n"], TensorProto.STRING))
    assert model.run({"x": np.array(["é", ""], object)})[0]["y"].tolist() == ["é", ""]
    with pytest.raises(BadRequestError):
        model.run({"x": np.array(["\ud800"], object)})
