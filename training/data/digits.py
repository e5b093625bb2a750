"""The values that hold digits: images with labels, where they come from, and three parts for a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingError

SIDE = 28

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

# Share of the validation part, by the number of parts that a source has.
VALIDATION_SHARES = {1: 1 / 10, 2: 1 / 6}

# Most places that one message names.
NAMED = 5


class BadDataError(TrainingError):
    """The data cannot be trained on; the message has a line for each problem, with what to do.

    Args:
        where: the file or folder.
        problems: sentences.
    """

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        super().__init__("\n  - ".join([f"{where} cannot be trained on:", *problems]))


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images and their labels.

    Attributes:
        images: uint8 [n, 28, 28]; 0 is paper, 255 is ink.
        labels: int64 [n], 0 to 9.
    """

    images: Images
    labels: Labels


@dataclass(frozen=True, slots=True)
class Part:
    """Images of a source as they lie there, before a split.

    Attributes:
        name: of the part, for messages; empty if the source has one part only.
        content: the images with their labels.
        name_of: tells a person where an image lies, by its number from 0.
    """

    name: str
    content: LabelledImages
    name_of: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Source:
    """All images of a file or folder.

    Attributes:
        title: where the images come from, for the card.
        parts: one part that is to be split, or two: one to train on, and one for the test.
        digest: SHA-256 of images and labels, with the prefix `sha256:`.
    """

    title: str
    parts: tuple[Part, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Split:
    """Three parts without a common image.

    Attributes:
        train: images to train on.
        validation: images that choose the best epoch, and of which the reference profile is made.
        test: images for the scores of the card.
        source: where the images come from, for the card.
        digest: SHA-256 of images and labels, with the prefix `sha256:`.
    """

    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages
    source: str
    digest: str


def some(places: Sequence[str]) -> str:
    """Return the first places of a list, and how many more there are, for a message."""
    rest = len(places) - NAMED
    return ", ".join(places[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
