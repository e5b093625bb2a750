"""Training of the digit models, on a small part of the real digits."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from governance.drift.profile import SignedProfile
from training.__main__ import command
from training.cnn import Cnn
from training.config import Config, TrainingError, config_for
from training.data.digits import LabelledImages
from training.data.load import load, split_by_class
from training.evaluate import calibration, draw, score
from training.export import ProbabilityModel, export, renew_profile, run, to_onnx, verify_parity
from training.fit import GradientDescent, Normalised, fit, load_best, loss_of, measure
from training.preprocess import Statistics, clean, fit_statistics, transform
from training.rnn import Rnn

# The TorchScript exporter warns that there is a newer one.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def split():
    return load(None, 7)


@pytest.fixture(scope="module")
def small(split):
    part = LabelledImages(split.train.images[:320], split.train.labels[:320])
    return transform(part)


def quick(**changes):
    return replace(config_for("digits-cnn"), **{"epochs": 3, "batch": 64, **changes})


def test_load_splits_the_shipped_digits_by_seed_without_overlap(split):
    parts = (split.train, split.validation, split.test)
    assert [len(part.labels) for part in parts] == [4000, 500, 500]
    assert np.bincount(split.test.labels).tolist() == [50] * 10
    again, other = load(None, 7), load(None, 8)
    assert np.array_equal(split.test.images, again.test.images)
    assert not np.array_equal(split.test.images, other.test.images)
    numbered = LabelledImages(np.arange(100, dtype=np.uint8), np.arange(100) % 10)
    pieces = split_by_class(numbered, (0.8, 0.1, 0.1), 1)
    assert sorted(np.concatenate([piece.images for piece in pieces]).tolist()) == list(range(100))


def test_clean_drops_blank_and_repeated_images():
    images = np.zeros((4, 28, 28), np.uint8)
    images[0, 0, 0] = images[1, 0, 0] = 9
    images[3, 1, 1] = 9
    cleaned = clean(LabelledImages(images, np.arange(4)))
    assert (cleaned.kept.labels.tolist(), cleaned.blank, cleaned.duplicates) == ([0, 3], 1, 1)


def test_fit_statistics_normalises_the_train_part(small):
    statistics = fit_statistics(small[0])
    normal = (small[0] - statistics.mean) / statistics.std
    assert float(normal.mean()) == pytest.approx(0, abs=1e-4)
    assert float(normal.std()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("network", [Cnn(), Rnn(), Rnn(features=784)])
def test_cnn_and_rnn_return_ten_logits_for_each_image(network):
    network.initialise()
    assert network(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_rnn_with_784_features_reads_a_flat_image_in_one_step():
    network = Rnn(features=784)
    flat = torch.rand(2, 784)
    assert torch.equal(network(flat), network(flat.reshape(2, 1, 28, 28)))


def test_gradient_descent_is_theta_minus_alpha_gradient():
    theta = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    (theta**2).sum().backward()
    GradientDescent(iter([theta]), 0.1).step()
    assert torch.allclose(theta.detach(), torch.tensor([1 - 0.1 * 2, -2 + 0.1 * 4]))


def test_loss_of_agrees_with_the_formulas():
    logits, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    p = torch.softmax(logits, 1)[0]
    assert float(loss_of(quick())(logits, labels)) == pytest.approx(-float(p[0].log()))
    expected = (float(1 - p[0]) ** 2 + float(p[1]) ** 2) / 2
    assert float(loss_of(quick(loss="mse"))(logits, labels)) == pytest.approx(expected)


@pytest.mark.parametrize("changes", [{}, {"loss": "mse"}, {"optimiser": "gradient-descent", "learning_rate": 0.05}])
def test_fit_lowers_the_loss_with_every_loss_and_optimiser(small, changes):
    config = quick(**changes)
    _, state = fit(config, small, small, fit_statistics(small[0]), None, progress=False)
    assert state.history[-1]["train_loss"] < state.history[0]["train_loss"]


def test_fit_learns_digits(split):
    train = transform(split.train)
    config = quick(epochs=2)
    model, _ = fit(config, train, transform(split.validation), fit_statistics(train[0]), None, progress=False)
    assert measure(model, loss_of(config), transform(split.test))[1] > 0.9


class StopError(Exception):
    pass


def test_fit_resumed_gives_the_result_of_the_whole_run(small, tmp_path):
    statistics = fit_statistics(small[0])
    unbroken, whole = fit(quick(), small, small, statistics, None, progress=False)

    def stop(state):
        if state.epoch == 2:
            raise StopError

    with pytest.raises(StopError):
        fit(quick(), small, small, statistics, tmp_path, progress=False, each_epoch=stop)
    resumed, state = fit(quick(), small, small, statistics, tmp_path, resume=True, progress=False)
    assert state.history == whole.history
    for one, other in zip(unbroken.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_fit_refuses_to_resume_another_run_or_none(small, tmp_path):
    statistics = fit_statistics(small[0])
    with pytest.raises(TrainingError, match="without --resume"):
        fit(quick(), small, small, statistics, tmp_path, resume=True)
    fit(quick(epochs=1), small, small, statistics, tmp_path, progress=False)
    with pytest.raises(TrainingError, match="other settings"):
        fit(quick(seed=9), small, small, statistics, tmp_path, resume=True)


def test_fit_stops_early_and_returns_the_best_network(small, tmp_path):
    config = quick(epochs=12, patience=1, learning_rate=0.02)
    validation = (small[0][:64], torch.zeros(64, dtype=torch.int64))  # Wrong labels: learning makes this worse.
    model, state = fit(config, small, validation, fit_statistics(small[0]), tmp_path, progress=False)
    assert state.epoch < 12
    assert measure(model, loss_of(config), validation)[0] == pytest.approx(state.best_loss)
    assert measure(load_best(tmp_path)[1], loss_of(config), validation)[0] == pytest.approx(state.best_loss)


def test_score_and_calibration_have_the_values_computed_by_hand():
    probabilities = np.full((4, 10), 0.02, np.float32)
    labels = np.array([0, 1, 2, 3])
    for row, guess in enumerate((0, 1, 2, 9)):
        probabilities[row, guess] = 0.82
    scores = score(probabilities, labels)
    assert scores["accuracy"] == 0.75
    assert scores["confusion"][3][9] == 1
    assert scores["classes"]["9"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "items": 0}
    error, bins = calibration(probabilities, labels)
    assert error == pytest.approx(abs(0.82 - 0.75), abs=1e-6)
    assert bins == [(pytest.approx(0.82), 0.75, 4)]


def test_draw_writes_a_png(split, tmp_path):
    probabilities = np.eye(10, dtype=np.float32)[(split.test.labels + (np.arange(500) % 50 == 0)) % 10]
    draw(tmp_path / "p.png", "t", split.test.images, probabilities, split.test.labels)
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", ["digits-cnn", "digits-rnn"])
def test_export_agrees_with_torch_for_any_batch(split, tmp_path, name):
    config = Config(name)
    network = Cnn() if name == "digits-cnn" else Rnn()
    model = Normalised(network, Statistics(0.13, 0.31)).eval()
    assert export(tmp_path, config, model, split, {"accuracy": 1.0}, datetime(2026, 1, 2, tzinfo=UTC)) <= 1e-5
    graph = (tmp_path / "model.onnx").read_bytes()
    for batch in (1, 7):
        assert run(graph, np.zeros((batch, 1, 28, 28), np.float32)).shape == (batch, 10)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["preprocessing"]["mean"] == 0.13
    assert card["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]
    profile = SignedProfile.parse((tmp_path / "profile.json").read_bytes()).profile
    profile.verify(card)
    assert profile.items == 500
    assert {subject.name for subject in profile.subjects} >= {"brightness", "contrast", "class", "confidence"}
    assert not renew_profile(tmp_path, split)


def test_renew_profile_replaces_a_profile_of_another_version_without_training(split, tmp_path):
    model = Normalised(Cnn(), Statistics(0.13, 0.31)).eval()
    export(tmp_path, Config("digits-cnn"), model, split, {"accuracy": 1.0}, datetime(2026, 1, 2, tzinfo=UTC))
    made = (tmp_path / "profile.json").read_bytes()
    (tmp_path / "profile.json").write_text('{"items": 500, "features": {}}')
    assert renew_profile(tmp_path, split)
    assert (tmp_path / "profile.json").read_bytes() == made
    with pytest.raises(TrainingError, match="no exported model"):
        renew_profile(tmp_path / "missing", split)


def test_verify_parity_refuses_a_graph_that_differs_from_torch():
    model = Normalised(Cnn(), Statistics(0.13, 0.31)).eval()
    graph = to_onnx(ProbabilityModel(model).eval())
    with torch.no_grad():
        next(model.parameters()).add_(0.05)
    with pytest.raises(TrainingError, match="differs from torch"):
        verify_parity(
            graph, ProbabilityModel(model).eval(), np.random.default_rng(0).random((200, 1, 28, 28), np.float32)
        )


def test_tune_needs_no_test_part(small):
    from training.tune import tune

    best, loss = tune(quick(epochs=1), small, small, fit_statistics(small[0]), trials=2, progress=False)
    assert 1e-4 <= best.learning_rate <= 1e-2
    assert loss > 0


def test_fit_command_with_dry_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["fit", "digits-rnn", "--dry-run"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "[5/6] validation" in done.output
    assert list(tmp_path.iterdir()) == []


def test_evaluate_command_without_a_trained_model_says_what_to_run(tmp_path):
    with pytest.raises(TrainingError, match="run `python -m training fit`"):
        CliRunner().invoke(command, ["evaluate", "digits-cnn", "--out", str(tmp_path)], catch_exceptions=False)


@pytest.mark.parametrize("name", ["", *command.commands])
def test_help_of_each_command_has_an_example_and_says_what_repeats(name):
    done = CliRunner().invoke(command, [*name.split(), "--help"], terminal_width=80)
    assert done.exit_code == 0 and re.search(r"^  Examples?:$", done.output, re.MULTILINE)
    assert "may be repeated" in " ".join(done.output.split()) and not re.search(r"\w\.\.\.", done.output)
