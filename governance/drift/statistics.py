"""How far two samples of counts are apart, and how likely chance alone would put them so far apart.

Written out in numpy and `math`, since serving installs no scipy; the tests hold every one of them to scipy's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Counts = np.ndarray[Any, np.dtype[np.int64]]

_STEPS, _SMALL = 10_000, 1e-15


def psi(reference: Counts, now: Counts) -> float:
    """Return the population stability index: the sum of (p - q) ln(p / q) over the bins.

    Half an item is added to each bin, so that an empty one is far away, and not infinitely far.

    Source: Siddiqi, Credit Risk Scorecards (2006), which reads under 0.1 as no change and over 0.25 as a great one.
    """
    was = (reference + 0.5) / (reference.sum() + 0.5 * len(reference))
    is_ = (now + 0.5) / (now.sum() + 0.5 * len(now))
    return float(((is_ - was) * np.log(is_ / was)).sum())


def ks(reference: Counts, now: Counts) -> float:
    """Return the greatest distance between two cumulative distributions, as far as the bins show it.

    It is the two-sample Kolmogorov-Smirnov statistic at the edges of the bins alone, so never more than the true one.
    """
    return float(np.abs(np.cumsum(reference) / reference.sum() - np.cumsum(now) / now.sum()).max())


def ks_p(distance: float, reference_items: int, items: int) -> float:
    """Return how likely chance alone reaches this distance; with bins, it errs on the side of chance.

    Source: Stephens (1970), as in Press et al., Numerical Recipes, 3rd ed., 14.3.3.
    """
    root = math.sqrt(reference_items * items / (reference_items + items))
    z: float = (root + 0.12 + 0.11 / root) * distance
    if z < 0.2:
        return 1.0
    terms = [math.exp(-2 * (j * z) ** 2) for j in range(1, 101)]
    return min(1.0, max(0.0, 2 * (math.fsum(terms[::2]) - math.fsum(terms[1::2]))))


def chi2_p(reference: Counts, now: Counts) -> float:
    """Return how likely two samples of one distribution differ so much: Pearson's test of homogeneity.

    Bins that nobody is in say nothing. Few expected items in a bin make the test see too much, so bins are put together
    with their neighbour until 5 are expected in each (Cochran 1954).
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
    """Return how likely at least so many are found where `expected` are."""
    return 1.0 if found <= 0 else 1.0 - gamma_q(found, expected)


def gamma_q(a: float, x: float) -> float:
    """Return the regularized upper incomplete gamma function; the chi-squared tail is Q(df / 2, chi2 / 2).

    Source: Press et al., Numerical Recipes, 3rd ed., 6.2: the series below a + 1, Lentz's continued fraction above.
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
