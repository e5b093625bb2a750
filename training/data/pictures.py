"""Digits as image files, in one folder for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from training.config import CLASSES
from training.data.digits import SIDE, BadDataError, LabelledImages, Part, some

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
# Modes of Pillow with one meaning as shades of grey of 8 bits.
MODES = ("1", "L", "P", "RGB")


def is_picture_folder(folder: Path) -> bool:
    """Return whether a folder has a folder for a class."""
    return any((folder / name).is_dir() for name in CLASSES)


def read_pictures(folder: Path) -> Part:
    """Read all images below the folders `0` to `9`; names that begin with a point are left out.

    Args:
        folder: holds a folder for each class.

    Raises:
        BadDataError: if a file cannot be read as an image of 28 × 28 pixels, or a folder is not named as a class. All
            such files are counted, and the first are named with the reason.
    """
    names, images, labels = [], [], []
    refused: dict[str, list[str]] = {}
    for kind in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if kind.name not in CLASSES:
            refused.setdefault("is not named as a class, 0 to 9: rename or remove it", []).append(kind.name)
            continue
        for file in sorted(path for path in kind.rglob("*") if path.is_file() and not path.name.startswith(".")):
            name = str(file.relative_to(folder))
            pixels = _read(file)
            if isinstance(pixels, str):
                refused.setdefault(pixels, []).append(name)
                continue
            names.append(name)
            images.append(pixels)
            labels.append(CLASSES.index(kind.name))
    if refused:
        total = len(images) + sum(map(len, refused.values()))
        raise BadDataError(
            str(folder), [f"{len(place):,} of {total:,} {why} ({some(place)})" for why, place in refused.items()]
        )
    stack = np.stack(images) if images else np.zeros((0, SIDE, SIDE), np.uint8)
    return Part("", LabelledImages(stack, np.array(labels, np.int64)), names.__getitem__)


def _read(file: Path) -> NDArray[np.uint8] | str:
    """Return the pixels, uint8 [28, 28], or why there are none and what to do, as the end of a sentence."""
    try:
        # The head is read first, so that a huge image is refused without decoding it.
        with Image.open(file, formats=FORMATS) as image:
            if image.size != (SIDE, SIDE):
                return f"have {image.width} × {image.height} pixels: scale to {SIDE} × {SIDE}"
            if getattr(image, "n_frames", 1) > 1:
                return "have several frames: save one image a file"
            if image.mode not in MODES or "transparency" in image.info:
                return f"have mode {image.mode}, with transparency or over 8 bits: save as grey of 8 bits"
            return np.asarray(image.convert("L"), np.uint8)
    except UnidentifiedImageError:
        return f"are empty, damaged or of another format than {', '.join(FORMATS)}: replace or remove"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "are cut or damaged: replace or remove"
