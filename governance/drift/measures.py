"""Measures of tensors: mean, spread and the like for each item of a batch, by one code for training and serving.

Each measure takes a batch and returns one float64 per item, shape (n,); NaN means that the value is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Images are thinned to fewer than twice this many rows and columns: enough for these measures, at a constant cost.
GRID = 64
IMAGE_RANKS = (3, 4)
CHANNELS = (1, 3, 4)
IMAGE_MEASURES = ("brightness", "contrast", "sharpness", "orientation")
PREDICTION_MEASURES = ("class", "confidence", "entropy")


def thin(images: Array) -> Array:
    """Return a view of every k-th row and column of images, with at most `GRID` of each.

    Args:
        images: Shape (n, h, w), (n, c, h, w) or (n, h, w, c).
    """
    rows, columns = image_axes(images.shape)
    steps = [slice(None)] * images.ndim
    for axis in (rows, columns):
        steps[axis] = slice(None, None, -(-images.shape[axis] // GRID) or 1)
    return images[tuple(steps)]


def image_axes(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the axes of rows and columns of images with this shape.

    Channels are the last of four axes if that axis has 1, 3 or 4 entries and the second has not.

    Example:
        `(n, 3, 28, 28)` returns `(2, 3)`; `(n, 28, 28, 3)` returns `(1, 2)`.
    """
    last = len(shape) == 4 and shape[3] in CHANNELS and shape[1] not in CHANNELS
    return (1, 2) if last else (len(shape) - 2, len(shape) - 1)


def image_measures(images: Array) -> dict[str, Array]:
    """Return four measures of each image: an array of shape (n,) by name.

    `brightness` is the mean of the pixels and `contrast` their standard deviation; `sharpness` is the mean absolute
    difference of horizontal neighbours plus that of vertical ones; `orientation` is their difference divided by their
    sum: 1 if all edges are vertical, -1 if all are horizontal.

    Args:
        images: Shape (n, h, w), (n, c, h, w) or (n, h, w, c).
    """
    pixels = np.asarray(thin(images), np.float32)
    rows, columns = image_axes(pixels.shape)
    flat = pixels.reshape(len(pixels), -1)
    across, down = _difference(pixels, columns), _difference(pixels, rows)
    total = across + down
    leaning = np.divide(across - down, total, out=np.zeros_like(total), where=total != 0)
    return {
        "brightness": flat.mean(axis=1).astype(np.float64),
        "contrast": flat.std(axis=1).astype(np.float64),
        "sharpness": total,
        "orientation": leaning,
    }


def _difference(pixels: Array, axis: int) -> Array:
    if pixels.shape[axis] < 2:
        return np.zeros(len(pixels))
    steps = np.diff(pixels, axis=axis).reshape(len(pixels), -1)
    result: Array = np.abs(steps, out=steps).mean(axis=1)
    return result.astype(np.float64)


def lengths(texts: Array) -> Array:
    """Return the number of characters of all texts of each item; an array of numbers is taken as lengths.

    Args:
        texts: Shape (n, …), of texts or numbers.
    """
    if texts.dtype.kind not in "OUS":
        return np.asarray(texts, np.float64)
    flat = texts.reshape(len(texts), -1)
    return np.array([sum(map(len, row)) for row in flat.tolist()], np.float64)


def prediction_measures(scores: Array, *, softmax: bool) -> dict[str, Array]:
    """Return three measures of each prediction: an array of shape (n,) by name.

    `class` is the index of the likeliest class, `confidence` its probability, `entropy` that of all probabilities in
    nats; all are NaN if a score is.

    Args:
        scores: Shape (n, classes): probabilities, or logits.
        softmax: Whether the scores are logits, to which softmax is applied first.
    """
    values = np.asarray(scores, np.float64)
    if softmax:
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        values = powers / powers.sum(axis=1, keepdims=True)
    confidence = values.max(axis=1)
    known = np.clip(values, 1e-12, 1.0)
    entropy = -(known * np.log(known)).sum(axis=1)
    return {
        "class": np.where(np.isnan(confidence), np.nan, values.argmax(axis=1)),
        "confidence": confidence,
        "entropy": np.where(np.isnan(confidence), np.nan, entropy),
    }


def column(values: Array, number: int) -> Array:
    """Return one column of a tensor of shape (n,) or (n, columns), as float64."""
    picked = values if values.ndim == 1 else values[:, number]
    return np.asarray(picked, np.float64)


Grouped = Callable[[Array, bool], dict[str, Array]]
GROUP_OF: Mapping[str, Grouped] = MappingProxyType(
    {
        **dict.fromkeys(IMAGE_MEASURES, lambda array, softmax: image_measures(array)),
        **dict.fromkeys(PREDICTION_MEASURES, lambda array, softmax: prediction_measures(array, softmax=softmax)),
        "length": lambda array, softmax: {"length": lengths(array)},
    }
)


def measures_of(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the measures that fit a tensor.

    Args:
        spec: Entry of a card's `inputs` or `outputs`: `datatype` (such as `FP32`), and `shape` with the batch first
            (-1).
    """
    shape, datatype = spec["shape"], spec["datatype"]
    if not shape or shape[0] != -1:
        return ()
    if datatype == "BYTES":
        return ("length",)
    if len(shape) in IMAGE_RANKS and (len(shape) == 3 or shape[1] in CHANNELS or shape[3] in CHANNELS):
        return IMAGE_MEASURES
    if len(shape) == 1:
        return ("value",)
    if len(shape) == 2 and shape[1] > 0:
        return ("value", *(PREDICTION_MEASURES if shape[1] > 1 else ()))
    return ()


def columns_of(spec: Mapping[str, Any]) -> int:
    """Return the number of columns of a tensor that is measured column by column; 1 for any other."""
    return int(spec["shape"][1]) if len(spec["shape"]) == 2 and spec["datatype"] != "BYTES" else 1


def is_scores(spec: Mapping[str, Any], card: Mapping[str, Any]) -> bool:
    """Return whether a tensor holds scores of the card's classes: floating-point numbers of shape (n, classes)."""
    classes = card.get("classes") or ()
    return len(classes) > 1 and list(spec["shape"]) == [-1, len(classes)] and spec["datatype"].startswith("FP")
