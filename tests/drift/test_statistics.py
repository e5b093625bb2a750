"""The statistics, compared with scipy and with their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from governance.drift.statistics import chi2_p, gamma_q, ks, ks_p, poisson_p, psi


@given(st.floats(0.5, 400), st.floats(0, 2000))
def test_incomplete_gamma_equals_scipy(a, x):
    assert gamma_q(a, x) == pytest.approx(special.gammaincc(a, x), rel=1e-7, abs=1e-13)


def test_incomplete_gamma_at_its_limits():
    assert gamma_q(1.0, 0.0) == 1.0
    assert gamma_q(1.0, float("inf")) == 0.0
    assert gamma_q(0.5, 1e6) == 0.0


@given(st.lists(st.tuples(st.integers(20, 900), st.integers(20, 900)), min_size=2, max_size=30))
def test_chi2_equals_scipy_for_full_bins(pairs):
    table = np.array(pairs).T
    sums = table.sum(axis=1)
    if (table.sum(axis=0) < 5 * table.sum() / sums.min()).any():
        return
    assert chi2_p(*table) == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-6, abs=1e-12)


def test_chi2_merges_small_bins_and_ignores_empty_ones():
    reference, now = np.array([100, 1, 0, 1, 100]), np.array([100, 0, 0, 2, 100])
    assert chi2_p(reference, now) > 0.9
    assert chi2_p(np.array([500]), np.array([3])) == 1.0
    assert chi2_p(np.array([500, 0]), np.array([0, 0])) == 1.0


@given(st.integers(50, 3000), st.integers(50, 3000), st.floats(0.02, 0.9))
def test_ks_p_equals_scipy(first, second, distance):
    # The asymptotic form of scipy lacks Stephens' correction for small samples; both are close in the range of interest.
    size = first * second / (first + second)
    expected = special.kolmogorov((np.sqrt(size) + 0.12 + 0.11 / np.sqrt(size)) * distance)
    assert ks_p(distance, first, second) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(st.integers(0, 400), st.floats(0.01, 300))
def test_poisson_p_equals_scipy(found, expected):
    assert poisson_p(found, expected) == pytest.approx(stats.poisson.sf(found - 1, expected), rel=1e-6, abs=1e-9)


def test_ks_is_the_largest_gap_of_cumulative_shares():
    assert ks(np.array([10, 10, 10, 10]), np.array([0, 0, 20, 20])) == pytest.approx(0.5)
    assert ks(np.array([1, 2, 3]), np.array([10, 20, 30])) == pytest.approx(0)


def test_ks_of_bins_is_at_most_the_exact_one():
    generator = np.random.default_rng(3)
    for shift in (0.0, 0.2, 1.0):
        first, second = generator.normal(size=400), generator.normal(shift, size=300)
        edges = np.quantile(first, np.linspace(0, 1, 11)[1:-1])
        counts = [np.bincount(np.searchsorted(edges, values), minlength=10) for values in (first, second)]
        true = stats.ks_2samp(first, second).statistic
        assert true - 0.1 <= ks(*counts) <= true + 1e-12


def test_psi_equals_its_definition_and_allows_empty_bins():
    reference, now = np.array([4000, 6000]), np.array([5000, 5000])
    expected = (0.5 - 0.4) * np.log(0.5 / 0.4) + (0.5 - 0.6) * np.log(0.5 / 0.6)
    assert psi(reference, now) == pytest.approx(expected, rel=1e-3)
    assert psi(reference, reference) == 0
    assert 1 < psi(np.array([100, 0]), np.array([0, 100])) < 20


def test_psi_of_unchanged_data_is_as_documented():
    """(bins - 1)(1/n + 1/m) on average (Yurdakul and Naranjo 2020)."""
    generator = np.random.default_rng(2)
    for items, expected in ((500, 0.036), (100, 0.108)):
        drawn = [
            (generator.multinomial(500, [0.1] * 10), generator.multinomial(items, [0.1] * 10)) for _ in range(3000)
        ]
        assert np.mean([psi(*pair) for pair in drawn]) == pytest.approx(expected, rel=0.1)
