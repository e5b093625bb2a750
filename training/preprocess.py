"""Preprocessing: cleaning, scaling, and the statistics for normalisation, which come from the train part alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from training.data.digits import LabelledImages


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of pixels from 0 to 1; the exported graph contains them."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The images that cleaning kept, and how many it dropped because they are blank, or equal to another."""

    kept: LabelledImages
    blank: int
    duplicates: int


def clean(part: LabelledImages) -> Cleaned:
    """Drop blank images, and of equal images all but the first."""
    flat = part.images.reshape(len(part.images), -1)
    inked = flat.max(axis=1) > 0
    _, first = np.unique(flat, axis=0, return_index=True)
    unique = np.zeros(len(flat), dtype=bool)
    unique[first] = True
    kept = inked & unique
    images = LabelledImages(part.images[kept], part.labels[kept])
    return Cleaned(images, int((~inked).sum()), int((inked & ~unique).sum()))


def transform(part: LabelledImages) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images as float32 [n, 1, 28, 28] from 0 to 1, and labels as int64 [n]."""
    images = torch.from_numpy(part.images.astype(np.float32) / 255).unsqueeze(1)
    return images, torch.from_numpy(part.labels)


def fit_statistics(images: torch.Tensor) -> Statistics:
    """Return mean and standard deviation of all pixels.

    Args:
        images: the train part after `transform`.
    """
    return Statistics(float(images.mean()), float(images.std()))
