"""Preprocessing: cleaning, transformation, normalisation; the statistics are fitted on the train part alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from training.data import Part


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of pixels in 0 to 1: kept for serving, inside the exported graph."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What cleaning left, and what it took away."""

    part: Part
    blank: int
    duplicates: int


def clean(part: Part) -> Cleaned:
    """Drop images without ink, and all but the first of images that are equal."""
    flat = part.images.reshape(len(part.images), -1)
    inked = flat.max(axis=1) > 0
    _, first = np.unique(flat, axis=0, return_index=True)
    unique = np.zeros(len(flat), dtype=bool)
    unique[first] = True
    kept = inked & unique
    return Cleaned(Part(part.images[kept], part.labels[kept]), int((~inked).sum()), int((inked & ~unique).sum()))


def transform(part: Part) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float32 images of shape [n, 1, 28, 28] in 0 to 1, and labels of shape [n]."""
    images = torch.from_numpy(part.images.astype(np.float32) / 255).unsqueeze(1)
    return images, torch.from_numpy(part.labels)


def fit_statistics(images: torch.Tensor) -> Statistics:
    """Fit on the train part's transformed images."""
    return Statistics(float(images.mean()), float(images.std()))
