"""Comparison of windows with profiles: thresholds, significance, hysteresis, false alarms; with real digits."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from governance.drift.comparison import DRIFTED, RELEASE, STEADY, UNSEEN_ITEMS, WATCH, DriftTest
from governance.drift.learning import learn
from governance.drift.profile import MISSING, OUTSIDE, SignedProfile
from governance.drift.window import WindowCounts
from training.config import NAMES
from training.data.load import load

ROOT = Path(__file__).parents[2]
CARD = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [-1]}], "outputs": []}


@pytest.fixture(scope="module")
def reference():
    """A thousand reference items, spread evenly over 0 to 1: ten bins of a hundred."""
    return SignedProfile.parse(learn(CARD, {"x": np.linspace(0, 1, 1000)}, {}).encode())


def counted(reference, first, items=1000, **special):
    """Items with a share of `first` in the first bin, and evenly in all others."""
    counts = np.zeros(reference.profile.width, np.int64)
    counts[:10] = round(items * (1 - first) / 9)
    counts[0] = items - counts[1:10].sum()
    counts[OUTSIDE], counts[MISSING] = special.get("outside", 0), special.get("missing", 0)
    return WindowCounts(items + int(counts[MISSING]), counts)


def judge_of(reference, least=200, chance=0.001):
    return DriftTest(reference, least, chance)


# PSI of a share s in one of ten bins: 0.1 at s = 0.206, 0.25 at s = 0.284; KS: 0.1 at s = 0.2, 0.2 at s = 0.3.
@pytest.mark.parametrize(
    ("first", "state"), [(0.1, STEADY), (0.19, STEADY), (0.21, WATCH), (0.27, WATCH), (0.31, DRIFTED)]
)
def test_drift_state_depends_on_the_size_of_the_difference(reference, first, state):
    assert judge_of(reference).compare(counted(reference, first)).state == state


def test_drift_ignores_a_difference_of_few_items(reference):
    assert judge_of(reference, least=10).compare(counted(reference, 0.22, items=60)).state == STEADY
    assert judge_of(reference, least=10).compare(counted(reference, 0.22, items=2000)).state == WATCH


def test_drift_ignores_a_small_difference_even_if_it_is_significant():
    large = SignedProfile.parse(learn(CARD, {"x": np.linspace(0, 1, 100_000)}, {}).encode())
    reading = judge_of(large).compare(counted(large, 0.13, items=1_000_000)).subjects[0]
    assert reading.chi2_p < 1e-9 and reading.state == STEADY


def test_drift_reports_nothing_for_too_few_items(reference):
    few, enough = counted(reference, 1.0, items=199), counted(reference, 1.0, items=200)
    said = judge_of(reference).compare(few)
    assert (said.enough, said.state, said.subjects[0].psi) == (False, STEADY, 0.0)
    assert judge_of(reference).compare(enough).state == DRIFTED


def test_drift_state_is_held_until_the_difference_is_well_below_the_threshold(reference):
    judge = judge_of(reference)
    said = [judge.compare(counted(reference, share)).state for share in (0.31, 0.27, 0.31, 0.24, 0.19, 0.15, 0.19)]
    assert said == [DRIFTED, DRIFTED, DRIFTED, WATCH, WATCH, STEADY, STEADY]
    assert RELEASE < 1


def test_drift_state_of_an_emptied_window_is_steady(reference):
    judge = judge_of(reference)
    assert judge.compare(counted(reference, 0.5)).state == DRIFTED
    assert judge.compare(counted(reference, 0.5, items=10)).state == STEADY
    assert judge.states == [STEADY]


def test_drift_remembers_states_of_other_workers_and_ignores_invalid_ones(reference):
    judge = judge_of(reference)
    judge.restore([[WATCH], [DRIFTED, DRIFTED]])
    assert judge.states == [WATCH]
    assert judge.compare(counted(reference, 0.19)).state == WATCH


@pytest.mark.parametrize(("outside", "state"), [(30, STEADY), (70, WATCH), (120, DRIFTED)])
def test_drift_tests_the_share_out_of_range(reference, outside, state):
    said = judge_of(reference).compare(counted(reference, 0.1, outside=outside))
    assert said.state == state
    assert said.subjects[0].out_of_range == outside / 1000


@pytest.mark.parametrize(("missing", "state"), [(15, STEADY), (45, WATCH), (80, DRIFTED)])
def test_drift_tests_the_share_of_missing_values(reference, missing, state):
    said = judge_of(reference).compare(counted(reference, 0.1, missing=missing))
    assert said.state == state
    assert said.subjects[0].missing == missing / (1000 + missing)


def test_drift_of_all_missing_items_is_drifted(reference):
    counts = np.zeros(reference.profile.width, np.int64)
    counts[MISSING] = 500
    (reading,) = judge_of(reference).compare(WindowCounts(500, counts)).subjects
    assert (reading.state, reading.missing, reading.psi) == (DRIFTED, 1.0, 0.0)


def test_drift_tolerates_values_beyond_the_range_of_few_reference_items():
    """Shares beyond the range of 100 items: over what is allowed for in well under one of a thousand profiles."""
    generator = np.random.default_rng(5)
    samples = np.sort(generator.random((20_000, 100)), axis=1)
    beyond = samples[:, 0] + 1 - samples[:, -1]
    assert (beyond > UNSEEN_ITEMS / 101).mean() < 0.001


def test_drift_false_alarms_are_below_the_set_rate():
    """Profiles and windows of one distribution, with several subjects at once: 2,000 looks, each a new profile."""
    card = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 5]}], "outputs": []}
    generator, alarms, looks = np.random.default_rng(11), 0, 0
    for _ in range(40):
        made = SignedProfile.parse(learn(card, {"x": generator.normal(size=(200, 5))}, {}).encode())
        for _ in range(50):
            window = WindowCounts(200, made.profile.count({"x": generator.normal(size=(200, 5))}, {}))
            alarms += DriftTest(made, 200, 0.001).compare(window).state > STEADY
            looks += 1
    assert alarms <= 0.001 * looks * 3


@cache
def digits_of_mnist():
    return load(None, 7)


class Digits:
    """A trained model, its reference profile, and the unchanged test set."""

    def __init__(self, name):
        folder = ROOT / f".state/training/{name}/export"
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        card = json.loads((folder / "card.json").read_text())
        split = digits_of_mnist()
        seen = self.pixels(split.validation.images)
        made = learn(card, {"image": seen}, self.answer(seen))
        self.reference = SignedProfile.parse(made.encode())
        self.images, self.labels = self.pixels(split.test.images), split.test.labels

    def answer(self, images):
        return {"probabilities": self.session.run(["probabilities"], {"image": images})[0]}

    @staticmethod
    def pixels(images):
        return images.astype(np.float32)[:, np.newaxis] / np.float32(255)

    def compare(self, images, least=200):
        counts = self.reference.profile.count({"image": images}, self.answer(images))
        return DriftTest(self.reference, least, 0.001).compare(WindowCounts(len(images), counts))


@pytest.fixture(scope="module", params=NAMES)
def digits(request):
    return Digits(request.param)


def rotated(images, generator):
    return np.rot90(images, axes=(2, 3))


def inverted(images, generator):
    return 1 - images


def noisy(images, generator):
    return np.clip(images + generator.normal(0, 0.2, images.shape), 0, 1).astype(np.float32)


def in_bytes(images, generator):
    return images * 255


def with_holes(images, generator):
    return np.where(generator.random((len(images), 1, 1, 1)) < 0.2, np.nan, images).astype(np.float32)


@pytest.mark.parametrize("spoil", [rotated, inverted, noisy, in_bytes, with_holes])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drift_of_damaged_digits_is_drifted(digits, spoil, seed):
    generator = np.random.default_rng(seed)
    images = digits.images[generator.permutation(500)[:200]]
    assert digits.compare(np.ascontiguousarray(spoil(images, generator))).state == DRIFTED


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drift_of_few_classes_is_drift_of_the_class(digits, seed):
    generator = np.random.default_rng(seed)
    few = np.flatnonzero(np.isin(digits.labels, generator.choice(10, 3, replace=False)))
    said = digits.compare(digits.images[generator.choice(few, 300)])
    (reading,) = [reading for reading in said.subjects if reading.subject.is_class]
    assert reading.state == DRIFTED


def test_drift_of_the_unchanged_test_set_is_steady(digits):
    """200 windows of 200 to 500 items each, drawn in 200 orders."""
    images = digits.images
    outputs = digits.answer(images)["probabilities"]
    alarms = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        chosen = generator.permutation(500)[: generator.integers(200, 501)]
        counts = digits.reference.profile.count({"image": images[chosen]}, {"probabilities": outputs[chosen]})
        alarms += DriftTest(digits.reference, 200, 0.001).compare(WindowCounts(len(chosen), counts)).state > STEADY
    assert alarms == 0
