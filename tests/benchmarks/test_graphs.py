"""The random graphs of the benchmark of devices: of the size that is claimed, valid, and answered by the runtime."""

import numpy as np
import onnx

from benchmarks import graphs
from governance.runtime.model import open_model
from governance.settings import RuntimeSettings


def answer(made, items=1):
    model = open_model(made.name, 1, "d", made.content, made.card, RuntimeSettings(), made.weights)
    values = model.run({"x": np.ones((items, *made.shape[1:]), np.float32)})[0]["scores"]
    model.close()
    return values


def test_resnet_has_the_weights_of_resnet_50_and_its_scores_fit_half_precision():
    made = graphs.make_resnet()
    weights = sum(int(np.prod(one.dims)) for one in onnx.load_from_string(made.content).graph.initializer)
    assert 25_000_000 < weights < 26_000_000
    values = answer(made)
    assert values.shape == (1, 1000)
    assert 0.1 < np.abs(values).max() < 1000
    assert len(np.unique(values)) > 900


def test_big_model_reads_each_layer_from_its_place_in_the_external_data(monkeypatch):
    monkeypatch.setattr(graphs, "BIG_WIDTH", 64)
    monkeypatch.setattr(graphs, "BIG_BLOCK", 2**10)
    made = graphs.make_big()
    assert made.size > graphs.BIG_LAYERS * 64 * 64 * 4
    layers = np.frombuffer(made.weights[graphs.WEIGHTS_FILE], np.float32).reshape(graphs.BIG_LAYERS, 64, 64)
    value = np.ones((1, 64), np.float32)
    for layer in layers:
        value = np.maximum(value @ layer, 0)
    assert value.max() > 0.1
    assert np.allclose(answer(made), value, rtol=1e-4, atol=1e-5)
