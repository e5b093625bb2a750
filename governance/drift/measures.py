"""From tensors to a few numbers for each item: the same code in training, which makes the profile, and in serving.

Every measure takes a batch and gives one float64 for each item; NaN is "missing". Nothing here keeps a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# An image is looked at through a grid of at most so many points a side: enough for what is measured here.
GRID = 64
IMAGE_RANKS = (3, 4)
CHANNELS = (1, 3, 4)


def thin(images: Array) -> Array:
    """Return a view of every n-th row and column of large images, so that looking at one costs the same as any other.

    Args:
        images: shape [n, h, w], [n, c, h, w] or [n, h, w, c].
    """
    rows, columns = image_axes(images.shape)
    steps = [slice(None)] * images.ndim
    for axis in (rows, columns):
        steps[axis] = slice(None, None, -(-images.shape[axis] // GRID) or 1)
    return images[tuple(steps)]


def image_axes(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return which axes are an image's rows and columns: channels come last only if they look like channels there."""
    last = len(shape) == 4 and shape[3] in CHANNELS and shape[1] not in CHANNELS
    return (1, 2) if last else (len(shape) - 2, len(shape) - 1)


def image_measures(images: Array) -> dict[str, Array]:
    """Return mean and deviation of the pixels, how sharp the edges are, and which way they run, for each image.

    `sharpness` is the mean absolute difference of neighbours; `orientation` is 1 if all edges are upright, -1 if all
    lie flat, 0 if there are as many of both or none at all.
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
    """Return how many characters each item's texts have together; numbers are taken to be lengths already."""
    if texts.dtype.kind not in "OUS":
        return np.asarray(texts, np.float64)
    flat = texts.reshape(len(texts), -1)
    return np.array([sum(map(len, row)) for row in flat.tolist()], np.float64)


def prediction_measures(scores: Array, *, softmax: bool) -> dict[str, Array]:
    """Return the likeliest class, its probability, and the entropy in nats, for each item.

    Args:
        scores: shape [n, classes]: probabilities, or with `softmax` what they are made of.
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
    """Return one column of a tensor of shape [n] or [n, columns]."""
    picked = values if values.ndim == 1 else values[:, number]
    return np.asarray(picked, np.float64)


IMAGE_MEASURES = ("brightness", "contrast", "sharpness", "orientation")
PREDICTION_MEASURES = ("class", "confidence", "entropy")
Grouped = Callable[[Array, bool], dict[str, Array]]
GROUP_OF: Mapping[str, Grouped] = MappingProxyType(
    {
        **dict.fromkeys(IMAGE_MEASURES, lambda array, softmax: image_measures(array)),
        **dict.fromkeys(PREDICTION_MEASURES, lambda array, softmax: prediction_measures(array, softmax=softmax)),
        "length": lambda array, softmax: {"length": lengths(array)},
    }
)
