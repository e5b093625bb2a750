"""Digits in the four IDX files of MNIST.

The IDX format is described at http://yann.lecun.com/exdb/mnist (THE IDX FILE FORMAT).
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import CLASSES, TrainingError
from training.data.digits import SIDE, BadDataError, LabelledImages, Part, some

MAX_IDX_BYTES = 2**28
IMAGES, LABELS = 0x803, 0x801
# The third byte of the magic number, by the format's description.
TYPES = {8: "bytes", 9: "signed bytes", 11: "16-bit integers", 12: "32-bit integers", 13: "floats", 14: "doubles"}


def read_part(folder: Path, name: str) -> Part:
    """Read the images and labels of one part of MNIST.

    Args:
        folder: folder with the IDX files.
        name: `train` or `t10k`.

    Raises:
        TrainingError: if a file is missing or wrong; the message names it.
    """
    images_file, labels_file = (_find(folder, f"{name}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    images, labels = read_idx(images_file, IMAGES), read_idx(labels_file, LABELS)
    problems = []
    if images.shape[1:] != (SIDE, SIDE):
        problems.append(
            f"{images_file.name} has images of {images.shape[1]} × {images.shape[2]} pixels: "
            f"scale them to {SIDE} × {SIDE}"
        )
    if len(images) != len(labels):
        problems.append(
            f"{images_file.name} has {len(images):,} images and {labels_file.name} {len(labels):,} labels: "
            "one of the two is cut, or of another data set"
        )
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if len(wrong):
        problems.append(
            f"{labels_file.name} has {len(wrong):,} labels over {len(CLASSES) - 1}, at "
            f"{some([f'image {place}' for place in wrong])}: correct or remove them"
        )
    if problems:
        raise BadDataError(str(folder), problems)
    return Part(name, LabelledImages(images, labels.astype(np.int64)), lambda index: f"image {index} of {name}")


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
    if len(content) > MAX_IDX_BYTES:
        raise TrainingError(f"{file} is over {MAX_IDX_BYTES >> 20} MiB")
    if len(content) < head or struct.unpack(">I", content[:4])[0] != magic:
        raise TrainingError(f"{file} is not an IDX file with magic number {magic:#06x}{_other_type(content, rank)}")
    shape = struct.unpack(f">{rank}I", content[4:head])
    if len(content) - head != math.prod(shape):
        raise TrainingError(
            f"{file} has {len(content) - head} bytes of data; the shape {shape} needs {math.prod(shape)}: "
            "it is cut or damaged, so get it again"
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _other_type(content: bytes, rank: int) -> str:
    """Say what an IDX file holds instead of bytes in so many dimensions, if it is one."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        return ""
    return f": it has {TYPES[content[2]]} in {content[3]} dimensions, and must have bytes (0 to 255) in {rank}"


def _find(folder: Path, name: str) -> Path:
    for candidate in (name, f"{name}.gz", name.replace("-idx", ".idx")):
        if (folder / candidate).is_file():
            return folder / candidate
    raise TrainingError(
        f"{folder} has no {name}(.gz): --data needs the four IDX files of MNIST, a folder of images for each digit "
        "(0 to 9), or a CSV file"
    )
