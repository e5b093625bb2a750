"""The graph of a tagger: weights outside of it, and rewritings that change its speed and not its results."""

import json

import numpy as np
import onnx
import onnx.utils
import onnxruntime
import pytest

from governance.errors import ManifestMismatchError
from governance.privacy.tagger import graph as graph_module
from governance.privacy.tagger.letter_tables import REACH, tabulate
from governance.privacy.tagger.model import FOLDER, SHA256, TaggerModel, shipped_tagger
from governance.privacy.tagger.time_major import make_time_major


def test_cut_puts_back_weights_from_the_data_file():
    graph, card = (FOLDER / "model.onnx").read_bytes(), json.loads((FOLDER / "card.json").read_text())
    model, data = onnx.load_model_from_string(graph), b""
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > 1024:
            content = tensor.raw_data
            onnx.external_data_helper.set_external_data(tensor, "model.onnx.data", len(data), len(content))
            tensor.ClearField("raw_data")
            data += content
    outside = model.SerializeToString()
    text = "Dr. Maria Gonzalez of Mercy Hospital flew from Lisbon."
    assert TaggerModel(outside, card, weights=data).find([text]) == shipped_tagger().find([text])
    for broken in (b"", data[:-1]):
        with pytest.raises(ManifestMismatchError, match="weights"):
            TaggerModel(outside, card, weights=broken)


@pytest.fixture
def shipped():
    return onnx.load(FOLDER / "model.onnx")


def cut(model, inputs, outputs):
    return onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model)).extract_model(inputs, outputs)


def run(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def vectors_of(model):
    return next(node.input[0] for node in model.graph.node if node.op_type == "Gather" and "positions" in node.input)


def test_tabulate_computes_what_the_convolution_computes(shipped):
    words = cut(shipped, ["characters"], [vectors_of(shipped)])
    texts = ["a", "Ab", "Müller", "x" * 14, "y" * 15, "z" * 16, "电", "\U0001f600", "O'Neil"]
    characters = np.array([[ord(letter) for letter in text.ljust(16, "\0")] for text in ["", *texts]])
    wanted = run(words, characters=characters)
    assert tabulate(words)
    needed = [min(len(text) + 2, 16) for text in ["", *texts]]
    for reach in sorted(set(needed)):
        short = [number for number, least in enumerate(needed) if least <= reach]
        made = run(words, characters=characters[short], **{REACH: np.array([reach])})
        assert np.abs(made - wanted[short]).max() < 1e-5


def test_make_time_major_keeps_the_logits(shipped):
    name = vectors_of(shipped)
    texts = cut(shipped, [name, "positions"], ["logits"])
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(9, 64)).astype(np.float32)
    positions = np.array([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0], [8, 0, 0, 0, 0]])
    wanted = run(texts, **{name: vectors, "positions": positions})
    assert make_time_major(texts)
    made = run(texts, **{name: vectors, "positions": positions})
    assert made.shape == wanted.shape and np.abs(made - wanted)[positions > 0].max() < 1e-5


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Conv", "pads", [0, 2]),
        ("Conv", "dilations", [2]),
        ("ReduceMax", "keepdims", 1),
        ("Transpose", "perm", [0, 1, 2]),
    ],
)
def test_tabulate_leaves_another_graph_as_it_is(shipped, kind, name, value):
    words = cut(shipped, ["characters"], [vectors_of(shipped)])
    node = next(node for node in words.graph.node if node.op_type == kind)
    [attribute] = (item for item in node.attribute if item.name == name)
    attribute.CopyFrom(onnx.helper.make_attribute(name, value))
    before = words.SerializeToString()
    assert not tabulate(words) and words.SerializeToString() == before


def test_make_time_major_leaves_another_graph_as_it_is(shipped):
    texts = cut(shipped, [vectors_of(shipped), "positions"], ["logits"])
    for node in texts.graph.node:
        if node.op_type == "Transpose":
            node.attribute[0].CopyFrom(onnx.helper.make_attribute("perm", [0, 1, 2]))
    before = texts.SerializeToString()
    assert not make_time_major(texts) and texts.SerializeToString() == before


def test_make_time_major_leaves_a_graph_with_a_first_state_as_it_is(shipped):
    texts = cut(shipped, [vectors_of(shipped), "positions"], ["logits"])
    for node in texts.graph.node:
        if node.op_type == "ConstantOfShape":
            one = onnx.numpy_helper.from_array(np.array([1.0], np.float32))
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("value", one))
    assert not make_time_major(texts)


def test_tagger_model_works_without_rewriting_its_graph(monkeypatch):
    """Without rewriting it is slower, and finds the same."""
    text = "Dr. Maria Gonzalez of Mercy Hospital flew from Lisbon."
    monkeypatch.setattr(graph_module, "tabulate", lambda words: False)
    monkeypatch.setattr(graph_module, "make_time_major", lambda texts: False)
    plain = TaggerModel.from_folder(FOLDER, SHA256)
    for one, other in zip(plain.find([text])[0], shipped_tagger().find([text])[0], strict=True):
        assert one[:3] == other[:3] and abs(one.score - other.score) < 0.002
