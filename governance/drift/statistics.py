"""Distances between two samples of counts, and the probability that chance alone causes such a distance.

Implemented with numpy and `math`, because serving does not install scipy; tests compare every function with scipy's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Counts = np.ndarray[Any, np.dtype[np.int64]]

_STEPS, _SMALL = 10_000, 1e-15


def psi(reference: Counts, now: Counts) -> float:
    """Return the population stability index: the sum of (p - q) ln(p / q) over the bins.

    Half an item is added to each bin, so that an empty bin gives a large and not an infinite index.

    Args:
        reference: Counts of the validation data, shape (bins,).
        now: Counts of recent data, shape (bins,).

    Source: Siddiqi, Credit Risk Scorecards (2006): under 0.1 no change, over 0.25 a great change.
    """
    was = (reference + 0.5) / (reference.sum() + 0.5 * len(reference))
    is_ = (now + 0.5) / (now.sum() + 0.5 * len(now))
    return float(((is_ - was) * np.log(is_ / was)).sum())


def ks(reference: Counts, now: Counts) -> float:
    """Return the two-sample Kolmogorov-Smirnov statistic at the edges of the bins; it never exceeds the exact one.

    Args:
        reference: Counts of the validation data, shape (bins,).
        now: Counts of recent data, shape (bins,).
    """
    return float(np.abs(np.cumsum(reference) / reference.sum() - np.cumsum(now) / now.sum()).max())


def ks_p(distance: float, reference_items: int, items: int) -> float:
    """Return the p-value of a Kolmogorov-Smirnov distance; for binned data it is too high rather than too low.

    Args:
        distance: Result of `ks`.
        reference_items: Number of validation items.
        items: Number of recent items.

    Source: Stephens (1970), as in Press et al., Numerical Recipes, 3rd ed., 14.3.3.
    """
    root = math.sqrt(reference_items * items / (reference_items + items))
    z: float = (root + 0.12 + 0.11 / root) * distance
    if z < 0.2:
        return 1.0
    terms = [math.exp(-2 * (j * z) ** 2) for j in range(1, 101)]
    return min(1.0, max(0.0, 2 * (math.fsum(terms[::2]) - math.fsum(terms[1::2]))))


def chi2_p(reference: Counts, now: Counts) -> float:
    """Return the p-value of Pearson's chi-squared test of homogeneity of two samples.

    Bins are merged with their neighbours until 5 items are expected in each (Cochran 1954): with fewer, the p-value is
    too low. Bins that are empty in both samples do not count.

    Args:
        reference: Counts of the validation data, shape (bins,).
        now: Counts of recent data, shape (bins,).
    """
    table = np.array(_joined(reference, now), dtype=np.float64)
    if table.shape[1] < 2:
        return 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return gamma_q((table.shape[1] - 1) / 2, float(((table - expected) ** 2 / expected).sum()) / 2)


def _joined(reference: Counts, now: Counts) -> tuple[list[int], list[int]]:
    least = 5 * (reference.sum() + now.sum()) / max(1, min(reference.sum(), now.sum()))
    was, is_ = [0], [0]
    for before, after in zip(reference.tolist(), now.tolist(), strict=True):
        if was[-1] + is_[-1] >= least:
            was.append(0)
            is_.append(0)
        was[-1] += before
        is_[-1] += after
    if len(was) > 1 and was[-1] + is_[-1] < least:
        last_was, last_is = was.pop(), is_.pop()
        was[-1] += last_was
        is_[-1] += last_is
    return was, is_


def poisson_p(found: int, expected: float) -> float:
    """Return the probability of at least `found` events in a Poisson distribution with mean `expected`."""
    return 1.0 if found <= 0 else 1.0 - gamma_q(found, expected)


def gamma_q(a: float, x: float) -> float:
    """Return the regularized upper incomplete gamma function Q(a, x).

    The tail of the chi-squared distribution with d degrees of freedom is Q(d / 2, x / 2).

    Source: Press et al., Numerical Recipes, 3rd ed., 6.2: the series for x < a + 1, Lentz's continued fraction above.
    """
    if x <= 0:
        return 1.0
    if math.isinf(x):
        return 0.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    return max(0.0, 1.0 - front * _series(a, x)) if x < a + 1 else front * _fraction(a, x)


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    for step in range(1, _STEPS):
        term *= x / (a + step)
        total += term
        if term < total * _SMALL:
            break
    return total


def _fraction(a: float, x: float) -> float:
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    value = d
    for step in range(1, _STEPS):
        numerator = -step * (step - a)
        b += 2
        d = 1 / (numerator * d + b or tiny)
        c = b + numerator / c or tiny
        value *= d * c
        if abs(d * c - 1) < _SMALL:
            break
    return value
