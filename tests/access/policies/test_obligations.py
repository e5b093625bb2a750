"""Output obligations: replies contain only the permitted detail, and outputs that cannot be limited are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from governance.access.policies.obligations import (
    NO_OBLIGATIONS,
    Obligations,
    OutputDetail,
    parse_obligations,
    strictest,
)
from governance.access.policies.output_detail import restrict
from governance.errors import ConfigurationError, ForbiddenError

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]], np.float32)


def limited(rule, array=SCORES, classes=3):
    return restrict({"y": array}, rule, classes)["y"]


def test_output_label_keeps_the_most_likely_class_and_no_score():
    result = limited(OutputDetail("label"))
    assert result.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert (result.dtype, result.shape) == (SCORES.dtype, SCORES.shape)


def test_output_top_k_keeps_the_highest_scores():
    np.testing.assert_allclose(limited(OutputDetail("top-k", 2)), [[0, 0.7, 0.2], [0.5, 0.25, 0]], rtol=1e-6)
    assert limited(OutputDetail("top-k", 9)).tolist() == SCORES.tolist()


def test_output_top_k_keeps_the_order_of_negative_scores():
    logits = np.array([[-5.0, -1.0, -3.0]], np.float32)
    result = limited(OutputDetail("top-k", 1), logits)
    assert result.argmax() == 1 and result[0, 1] == -1
    assert set(result[0, [0, 2]]) == {np.finfo(np.float32).min}


def test_output_rounded_keeps_the_given_decimals():
    np.testing.assert_allclose(limited(OutputDetail("rounded", 1)), [[0.1, 0.7, 0.2], [0.5, 0.2, 0.2]], rtol=1e-6)
    assert limited(OutputDetail("rounded", 0), np.array([1.4, -2.6], np.float64), 0).tolist() == [1, -3]


@pytest.mark.parametrize("array", [np.array([3, 1]), np.array([True]), np.array([["a"]], object), np.array([b"x"])])
def test_output_detail_keeps_labels(array):
    assert limited(OutputDetail("label"), array).tolist() == array.tolist()


@pytest.mark.parametrize("rule", [OutputDetail("label"), OutputDetail("top-k", 3)])
@pytest.mark.parametrize(
    "array", [np.float32(0.5), np.zeros(4, np.float32), np.zeros((4, 1), np.float32), np.zeros((2, 768), np.float32)]
)
def test_output_detail_refuses_numbers_that_are_not_scores(rule, array):
    with pytest.raises(ForbiddenError, match="only labels"):
        limited(rule, np.asarray(array))


@given(
    npst.arrays(
        np.float32,
        npst.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=6),
        elements=st.floats(-10, 10, width=32),
    ),
    st.integers(1, 4),
)
def test_output_top_k_never_exceeds_k_scores(array, k):
    result = limited(OutputDetail("top-k", k), array, 0)
    lowest = 0 if not (array < 0).any() else np.finfo(np.float32).min
    assert ((result != lowest).sum(axis=-1) <= k).all()
    labels = limited(OutputDetail("label"), array, 0)
    assert (labels.sum(axis=-1) == 1).all()


def test_output_detail_cannot_be_avoided_with_nan():
    array = np.array([[np.nan, 0.3, 0.7]], np.float32)
    assert np.isfinite(limited(OutputDetail("label"), array)).all()


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("label", OutputDetail("label")),
        ("top-k:5", OutputDetail("top-k", 5)),
        ("rounded:2", OutputDetail("rounded", 2)),
        ("full", None),
    ],
)
def test_obligation_annotation_is_read(text, output):
    assert parse_obligations({"output": text}) == Obligations(output)
    assert output is None or str(output) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Label",
        "label:1",
        "full:1",
        "top-k",
        "top-k:0",
        "top-k:-1",
        "top-k:1.5",
        "rounded",
        "rounded:16",
        "rounded:x",
        "top-k:9999",
        "label ",
    ],
)
def test_obligation_annotation_that_is_invalid_is_refused(text):
    with pytest.raises(ConfigurationError, match="@output"):
        parse_obligations({"output": text})


def test_obligations_strictest_does_not_depend_on_order():
    rules = [
        OutputDetail("rounded", 3),
        OutputDetail("top-k", 2),
        OutputDetail("label"),
        OutputDetail("top-k", 1),
        OutputDetail("rounded", 1),
        None,
    ]
    for start in range(len(rules)):
        turned = [Obligations(rule) for rule in rules[start:] + rules[:start]]
        assert strictest(turned).output == OutputDetail("label")
    assert strictest([]) == NO_OBLIGATIONS == strictest([NO_OBLIGATIONS, NO_OBLIGATIONS])
    assert strictest([Obligations(None, ("b",)), Obligations(None, ("a",))]).anonymize == ("a", "b")
