"""What the check of data says before training begins."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from training.__main__ import command
from training.data.check import examine, verify
from training.data.digits import BadDataError, LabelledImages, Part, Source
from training.data.load import read


@pytest.fixture(scope="module")
def digits():
    return read(None)


def changed(digits, images=None, labels=None, places=slice(None)):
    content = digits.parts[0].content
    images = content.images if images is None else images
    labels = content.labels if labels is None else labels
    part = replace(digits.parts[0], content=LabelledImages(images[places], labels[places]))
    return replace(digits, parts=(part,))


def with_wrong_labels(digits, share):
    generator, labels = np.random.default_rng(3), digits.parts[0].content.labels.copy()
    wrong = generator.random(len(labels)) < share
    labels[wrong] = (labels[wrong] + generator.integers(1, 10, wrong.sum())) % 10
    return changed(digits, labels=labels), wrong


def test_the_shipped_digits_can_be_trained_on_and_a_few_labels_are_doubted(digits):
    (note,) = verify(digits, "digits")
    assert "of 5,000 labels differ from those of all similar images" in note and "looks like" in note


def test_a_thousand_clean_digits_can_be_trained_on_and_one_less_cannot(digits):
    assert examine(changed(digits, places=slice(None, None, 5))).problems == ()
    (problem,) = examine(changed(digits, places=slice(5, None, 5))).problems
    assert "999 images to train on, and at least 1,000" in problem


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.4, 0.6, 1.0])
def test_many_wrong_labels_are_refused(digits, share):
    with pytest.raises(BadDataError, match=r"too many to be clean data|seem mixed up"):
        verify(with_wrong_labels(digits, share)[0], "digits")


def test_two_wrong_labels_in_a_hundred_are_noted(digits):
    def doubted(source):
        (note,) = verify(source, "digits")
        return int(note.split(" of ")[0])

    source, wrong = with_wrong_labels(digits, 0.02)
    assert doubted(source) > doubted(digits) + wrong.sum() / 3


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([], "has no images"),
        (range(500), "has one class only, 0"),
        (range(4500), "has no images of 9: add at least 10"),
        (range(0, 5000, 500), r"has fewer than 10 images of 0 \(1\), 1 \(1\)"),
        (range(4509), r"has fewer than 10 images of 9 \(9\)"),
    ],
)
def test_classes_that_are_missing_or_too_small_are_named(digits, places, words):
    with pytest.raises(BadDataError, match=words):
        verify(changed(digits, places=np.array(places, int)), "digits")


def test_a_rare_class_is_noted(digits):
    assert any("few images of 9 (49)" in note for note in verify(changed(digits, places=slice(4549)), "digits"))


def test_constant_plain_and_inverted_images_are_refused(digits):
    images = digits.parts[0].content.images
    constant, plain = np.zeros_like(images), images.copy()
    constant[:, 10:14, 10:14] = images[:, 10:14, 10:14]
    plain[::50] = 0
    for bad, words in (
        (constant, "of the pixels have the same value in every image"),
        (np.zeros_like(images), "of the pixels have the same value in every image"),
        (plain, r"100 of 5,000 images have one shade only \(image 0, image 50"),
        (255 - images, "invert them"),
    ):
        with pytest.raises(BadDataError, match=words):
            verify(changed(digits, images=bad), "digits")


def test_test_images_that_are_in_the_train_part_are_noted(digits):
    content = digits.parts[0].content
    test = LabelledImages(content.images[::10], content.labels[::10])
    source = Source("two parts", (digits.parts[0], Part("t10k", test, str)), "sha256:0")
    assert any("500 images of the test part are in the train part" in note for note in verify(source, "digits"))


@pytest.mark.parametrize("arguments", [["fit", "digits-cnn"], ["all", "digits-cnn"], ["tune", "digits-cnn"]])
def test_commands_refuse_bad_data_before_training_and_write_nothing(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.csv").write_text("3," + ",".join(["0"] * 784) + "\n")
    done = CliRunner().invoke(command, [*arguments, "--data", "d.csv", "--out", "runs"])
    assert isinstance(done.exception, BadDataError) and "one class only, 3" in str(done.exception)
    assert not (tmp_path / "runs").exists()
