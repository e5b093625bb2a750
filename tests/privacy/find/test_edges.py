"""What may be directly before and behind a value: every detector finds its examples between any such things."""

import re

import pytest

from governance.privacy.find.patterns.detectors import DETECTORS
from tests.privacy.find.test_engines import DETECT, SLOW

BEFORE = [
    "\n", "\t", "(", "[", "{", "<", ">", '"', "'", "`", "“", "«", "‘", "（", "【", "「", "：", "，", "。", "、", ":", ";", ",", ".", "=", "|",
    "\\", "-", "–", "—", "*", "#", "&", "?", "!", "~", "^", "_", "的", "…", "Next.", "Next-", "Next:", "Next,",
]  # fmt: skip
BEHIND = [
    "\n", "\t", ")", "]", "}", ">", "<", '"', "'", "`", "”", "»", "’", "）", "】", "」", "：", "，", "。", "、", ":", ";", ",", ".", "=", "|",
    "/", "\\", "-", "–", "—", "*", "#", "&", "?", "!", "~", "^", "_", "的", "…", ".Next", "-Next", ",Next", ":Next", ";Next", "/Next", "-Visa",
]  # fmt: skip
# What is between a label and its value.
GLUE = [":", ": ", "=", "：", '":', '": "', "': '", ".", "#", " - ", "\t", " is "]
# A secret may be any word, so more is needed before it than a blank or a dot.
GLUE_OF_SECRETS = GLUE[:7]
SECRETS = {"PASSWORD", "CLOUD_CREDENTIAL", "API_KEY"}
# Lines of HTTP, which always have the same form.
HEADERS = {"authorization", "cookie"}
EXAMPLES = [(item, example) for item in DETECTORS if item.entity for example in item.examples]


def missed(detect, frames):
    """Return those of some (before, text, behind) whose letters and digits are not found as they are found alone."""
    texts = [f"see {before}{text}{behind} now" for before, text, behind in frames]
    alone = {text: detect.find(f"see {text} now") for _, text, _ in frames}
    for (before, text, behind), findings in zip(frames, detect.find_all(texts), strict=True):
        wanted = {place for one in alone[text] for place in range(one.start - 4, one.end - 4) if text[place].isalnum()}
        found = {place - 4 - len(before) for one in findings for place in range(one.start, one.end)}
        if not wanted or wanted - found or not {one.entity for one in findings} & {one.entity for one in alone[text]}:
            yield before, behind


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize("detector", [item for item in DETECTORS if item.entity], ids=lambda item: item.name)
def test_detectors_find_their_examples_between_any_marks(detector, detect):
    assert min(len(BEFORE), len(BEHIND)) >= 40
    for example in detector.examples:
        frames = [(before, example, "") for before in BEFORE] + [("", example, behind) for behind in BEHIND]
        assert not list(missed(detect, frames)), example


def parts(detector, example):
    """Return the label of an example and its value, or None if it has no label that must be there."""
    [first, *_] = [one for one in DETECT.find(example) if one.entity in {detector.entity, "DATE_OF_BIRTH"}]
    label = re.sub(r"( is| lautet|是)?[^\w]*$", "", example[: first.start])
    needed = label and not any(one.entity == first.entity for one in DETECT.find(example[first.start :]))
    return (label, example[first.start :]) if needed else None


LABELLED = [
    (item.entity, *found)
    for item, example in EXAMPLES
    if (item.label or item.context) and item.name not in HEADERS and (found := parts(item, example))
]


@pytest.mark.parametrize(("entity", "label", "value"), LABELLED)
def test_detectors_find_values_that_are_glued_to_their_label(entity, label, value):
    for glue in GLUE_OF_SECRETS if entity in SECRETS else GLUE:
        text = f"see {label}{glue}{value} now"
        place = text.index(value)
        assert any(one.start <= place and one.end > place for one in DETECT.find(text)), glue


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize("text", ["tel:4155552671", "Phone:4155552671", '"phone":4155552671', '"phone":"4155552671"', "电话：4155552671", "phone=4155552671&x", "Tel.030 901820", "Card No.4111111111111111"])  # fmt: skip
def test_detectors_find_a_number_behind_a_glued_label(text, detect):
    [one] = detect.find(text)
    assert one.entity == ("CREDIT_CARD" if "Card" in text else "PHONE_NUMBER")


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4111111111111111", "4111111111111111.5", "4111-1111-1111-1111-2222", "12345678-4155-11ee-be56-0242ac120002",
        "9a0c-4111111111111111", "192.168.10.1.5", "7.192.168.10.1", "536-90-4399-1", "x1-536-90-4399",
    ],
)  # fmt: skip
def test_detectors_find_no_number_that_goes_on(text, detect):
    assert not detect.find(text)
