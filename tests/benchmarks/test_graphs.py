"""The random graphs of the benchmark of devices: of the size that is claimed, valid, and answered by the runtime."""

import numpy as np
import onnx
import pytest

from benchmarks import graphs
from governance.runtime.model import open_model
from governance.settings import RuntimeSettings


def answer(made, items=1):
    model = open_model(made.name, 1, "d", made.content, made.card, RuntimeSettings(), made.weights)
    values = model.run({"x": np.ones((items, *made.shape[1:]), np.float32)})[0]["probabilities"]
    model.close()
    return values


def test_resnet_has_the_weights_of_resnet_50_and_answers_with_probabilities():
    made = graphs.make_resnet()
    weights = sum(int(np.prod(one.dims)) for one in onnx.load_from_string(made.content).graph.initializer)
    assert 25_000_000 < weights < 26_000_000
    values = answer(made)
    assert values.shape == (1, 1000)
    assert values.sum() == pytest.approx(1, abs=1e-3)


def test_big_model_reads_each_layer_from_its_place_in_the_external_data(monkeypatch):
    monkeypatch.setattr(graphs, "BIG_WIDTH", 64)
    monkeypatch.setattr(graphs, "BIG_BLOCK", 2**10)
    made = graphs.make_big()
    assert made.size > graphs.BIG_LAYERS * 64 * 64 * 4
    layers = np.frombuffer(made.weights[graphs.WEIGHTS_FILE], np.float32).reshape(graphs.BIG_LAYERS, 64, 64)
    value = np.ones((1, 64), np.float32)
    for layer in layers:
        value = np.maximum(value @ layer, 0)
    expected = np.exp(value - value.max()) / np.exp(value - value.max()).sum()
    assert np.allclose(answer(made), expected, atol=1e-5)
