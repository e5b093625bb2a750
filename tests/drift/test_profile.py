"""Reference profiles: learned, read strictly, and accepted only for their own model."""

import json
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.drift.learning import learn
from governance.drift.measures import image_measures, lengths, prediction_measures, thin
from governance.drift.profile import MAX_BYTES, MISSING, OUTSIDE, SignedProfile
from governance.errors import ConfigurationError, ManifestMismatchError

CARD = {
    "inputs": [
        {"name": "x", "datatype": "FP32", "shape": [-1, 3], "columns": ["age", "pulse", 'odd"{name}']},
        {"name": "note", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "scan", "datatype": "UINT8", "shape": [-1, 40, 40, 3]},
    ],
    "outputs": [{"name": "p", "datatype": "FP32", "shape": [-1, 2]}],
    "classes": ["ill", "well"],
}


def batch(items, seed=0):
    generator = np.random.default_rng(seed)
    p = generator.random(items)
    notes = np.array([["word " * int(n)] for n in generator.integers(1, 40, items)], object)
    inputs = {
        "x": generator.normal(size=(items, 3)).astype(np.float32),
        "note": notes,
        "scan": generator.integers(0, 255, (items, 40, 40, 3), np.uint8),
    }
    return inputs, {"p": np.stack([p, 1 - p], 1).astype(np.float32)}


@pytest.fixture(scope="module")
def profile():
    return learn(CARD, *batch(400))


def test_profile_has_subjects_for_every_kind_of_tensor(profile):
    assert [subject.name for subject in profile.subjects] == [
        *("x.age", "x.pulse", "x.odd__name_", "note.length"),
        *("scan.brightness", "scan.contrast", "scan.sharpness", "scan.orientation"),
        *("class", "confidence", "entropy"),
    ]
    assert profile.items == 400 and not profile.softmax


def test_profile_holds_counts_and_no_text(profile):
    assert b"word" not in profile.encode()
    assert all(sum(subject.counts) + subject.missing == 400 for subject in profile.subjects)


def test_profile_round_trips(profile):
    reference = SignedProfile.parse(profile.encode())
    assert reference.profile == profile
    reference.profile.verify(CARD)
    assert reference.digest != SignedProfile.parse(learn(CARD, *batch(400, seed=1)).encode()).digest


def test_profile_counts_do_not_depend_on_batches(profile):
    inputs, outputs = batch(100, seed=2)
    whole = profile.count(inputs, outputs)
    single = sum(
        profile.count({k: v[i : i + 1] for k, v in inputs.items()}, {k: v[i : i + 1] for k, v in outputs.items()})
        for i in range(100)
    )
    assert (whole == single).all()


def test_profile_counts_missing_and_infinite_values(profile):
    inputs, outputs = batch(10)
    inputs["x"][:4, 0], inputs["x"][4:6, 0], inputs["x"][6, 0] = np.nan, np.inf, -np.inf
    outputs["p"][:3] = np.nan
    counted = {subject.name: counts for subject, counts in profile.split(profile.count(inputs, outputs))}
    assert counted["x.age"][MISSING] == 4 and counted["x.age"][OUTSIDE] >= 3
    assert counted["x.age"][:MISSING].sum() == 6
    for name in ("class", "confidence", "entropy"):
        assert counted[name][MISSING] == 3 and counted[name][:MISSING].sum() == 7


def test_profile_converts_scores_to_probabilities():
    inputs, outputs = batch(200)
    logits = {"p": np.log(outputs["p"] + 1e-9) + 3}
    made, plain = learn(CARD, inputs, logits), learn(CARD, inputs, outputs)
    assert made.softmax
    for a, b in zip(made.subjects, plain.subjects, strict=True):
        assert a.counts == b.counts


def test_profile_bins_of_few_values_and_of_a_constant():
    card = {"inputs": [{"name": "x", "datatype": "INT64", "shape": [-1, 2]}], "outputs": []}
    values = np.stack([np.arange(200) % 3, np.full(200, 7)], 1)
    many, constant = learn(card, {"x": values}, {}).subjects
    assert many.edges == [0.5, 1.5] and many.counts == [67, 67, 66]
    assert constant.edges == [] and constant.counts == [200]
    assert constant.count(np.array([7.0, 8.0]))[OUTSIDE] == 1


def test_profile_needs_items_and_subjects():
    with pytest.raises(ConfigurationError, match="at least 100 items"):
        learn(CARD, *batch(99))
    fixed = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [3, 3, 3, 3, 3]}], "outputs": []}
    with pytest.raises(ConfigurationError, match="no tensor"):
        learn(fixed, {"x": np.zeros((200, 3, 3, 3, 3))}, {})


def change(document, path, value):
    *way, last = path
    for step in way:
        document = document[step]
    document[last] = value


GARBAGE = [
    (["version"], 2, "Invalid enum value 2"),
    (["surprise"], 1, "unknown field"),
    (["items"], 7, "are not 7 items"),
    (["items"], -1, ">= 0|>= 1"),
    (["subjects"], [], "length >= 1"),
    (["subjects", 0, "measure"], "secret", "Invalid enum value"),
    (["subjects", 0, "name"], "x\n", "matching regex"),
    (["subjects", 0, "name"], "x.pulse", "the same name"),
    (["subjects", 0, "counts"], [400], "for 10 bins"),
    (["subjects", 0, "counts", 0], -1, ">= 0"),
    (["subjects", 0, "counts", 0], 1.5, "Expected `int`"),
    (["subjects", 0, "edges", 1], 99, "do not increase"),
    (["subjects", 0, "low"], 99, "range"),
    (["subjects", 8, "labels"], ["ill", "ill"], "duplicate label"),
    (["subjects", 9, "side"], "input", "cannot be measured of an input"),
]


@pytest.mark.parametrize(("path", "value", "reason"), GARBAGE)
def test_profile_that_is_invalid_is_refused_with_the_reason(profile, path, value, reason):
    document = json.loads(profile.encode())
    change(document, path, value)
    with pytest.raises(ManifestMismatchError, match=reason):
        SignedProfile.parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"items": 500, "features": {}}', b"[" * 10_000, b" " * (MAX_BYTES + 1)]
)
def test_profile_random_bytes_are_refused(content):
    with pytest.raises(ManifestMismatchError, match="profile.json"):
        SignedProfile.parse(content)


@given(st.data())
def test_profile_with_a_changed_byte_is_read_or_refused(profile, data):
    content = bytearray(msgspec.json.encode(profile))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ManifestMismatchError):
        profile = SignedProfile.parse(bytes(content)).profile
        profile.verify(CARD)
        assert len(profile.count(*batch(3))) == profile.width


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": []},
        {"inputs": [{**CARD["inputs"][0], "shape": [-1, 2]}, *CARD["inputs"][1:]]},
        {"inputs": [CARD["inputs"][0], {**CARD["inputs"][1], "datatype": "FP32"}, CARD["inputs"][2]]},
        {"outputs": [{"name": "p", "datatype": "FP32", "shape": [-1, 3]}]},
        {"classes": ["well", "ill"]},
        {"classes": []},
    ],
)
def test_profile_of_another_model_is_refused(profile, changes):
    with pytest.raises(ManifestMismatchError):
        profile.verify({**CARD, **changes})


def test_measures_of_images_do_not_depend_on_the_layout():
    picture = np.zeros((1, 28, 28), np.float32)
    picture[0, :, 10:14] = 1  # an upright bar
    plain = image_measures(picture)
    assert plain["brightness"][0] == pytest.approx(4 / 28)
    assert plain["orientation"][0] == 1
    for layout in (picture[:, None], picture[..., None], np.repeat(picture[:, None], 3, 1)):
        for name, value in image_measures(layout).items():
            assert value[0] == pytest.approx(plain[name][0])
    assert image_measures(picture.swapaxes(1, 2))["orientation"][0] == -1
    assert image_measures(np.zeros((2, 5, 5)))["orientation"].tolist() == [0, 0]


def test_measures_of_large_images_use_a_grid():
    images = np.zeros((2, 3, 1080, 1920), np.uint8)
    assert max(thin(images).shape) <= 64
    assert thin(thin(images)).shape == thin(images).shape
    assert np.shares_memory(thin(images), images)


def test_measures_length_adds_all_texts_of_an_item():
    assert lengths(np.array([["ab", ""], ["äöü", "x"]], object)).tolist() == [2, 4]
    assert lengths(np.array(["abc"])).tolist() == [3]


def test_measures_entropy_is_zero_if_certain_and_highest_if_uniform():
    sure, unsure = prediction_measures(np.array([[1.0, 0.0], [0.5, 0.5]]), softmax=False)["entropy"]
    assert sure == pytest.approx(0, abs=1e-9)
    assert unsure == pytest.approx(np.log(2))
