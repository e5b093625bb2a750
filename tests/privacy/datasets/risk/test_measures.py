"""Risk measures against published examples, another library's figures, and their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.datasets import fair

from governance.errors import BadRequestError
from governance.privacy.datasets.risk.columns import EncodedColumn
from governance.privacy.datasets.risk.measures import measure

PYCANON_K = 15
PYCANON = ((4, 0.18294329583358399), (4, 0.19451807113043143), (4, 0.3325366904537499))


def column(name, values):
    places = {}
    codes = np.array([places.setdefault(value, len(places)) for value in values], np.int64)
    return EncodedColumn(name, list(places), codes)


# Sweeney 2002, figure 2: k = 2 for race, birth, gender and ZIP.
SWEENEY = """Black 1965 m 0214*,Black 1965 m 0214*,Black 1965 f 0213*,Black 1965 f 0213*,Black 1964 f 0213*,Black 1964 f 0213*,
White 1964 m 0213*,White 1964 m 0213*,White 1964 m 0213*,White 1967 m 0213*,White 1967 m 0213*"""


def test_measure_sweeneys_table_is_2_anonymous():
    rows = [row.split() for row in SWEENEY.replace("\n", "").split(",")]
    quasi = [column(str(place), values) for place, values in enumerate(zip(*rows, strict=True))]
    risk = measure(quasi, [])
    assert (risk.k, risk.rows, risk.classes, risk.unique) == (2, 11, 5, 0)
    assert risk.prosecutor_highest == 0.5 and risk.marketer == pytest.approx(5 / 11)
    assert risk.histogram[1] == (2, 2, 4, 8) and risk.histogram[2] == (3, 4, 1, 3)


def test_measure_l_diversity_of_machanavajjhalas_tables():
    four_anonymous = column("q", [1] * 4 + [2] * 4 + [3] * 4)
    first = measure([four_anonymous], [column("s", [*"HHVV", *"CHVV", *"CCCC"])])
    assert first.k == 4 and first.sensitive[0].distinct_l == 1
    assert first.sensitive[0].homogeneous == pytest.approx(1 / 3) and first.sensitive[0].entropy_l == pytest.approx(1)
    second = measure([four_anonymous], [column("s", [*"HVCC", *"CHVV", *"HVCC"])])
    assert second.sensitive[0].distinct_l == 3
    assert second.sensitive[0].entropy_l == pytest.approx(2**1.5)


def test_measure_t_closeness_of_lis_salaries():
    """Li et al. 2007, section 4: D[P1, Q] = 0.375 for {3k, 4k, 5k}, and 0.167 for {6k, 8k, 11k}."""
    salary = column("s", ["3000", "4000", "5000", "6000", "11000", "8000", "7000", "9000", "10000"])
    found = measure([column("q", [1] * 3 + [2] * 3 + [3] * 3)], [salary]).sensitive[0]
    assert found.t == pytest.approx(0.375) and found.distance == "ordered"
    first_is_close = measure([column("q", [1, 1, 1, 2, 2, 2, 1, 1, 1])], [salary]).sensitive[0]
    assert first_is_close.t == pytest.approx(1 / 6)


def test_measure_agrees_with_another_library_on_real_data():
    """Figures of pycanon 1.3.6 (Apache-2.0) on the survey of Fair 1978, computed once."""
    table = fair.load_pandas().data
    quasi = [column(name, table[name].tolist()) for name in ("age", "religious")]
    job = column("job", [f"j{value}" for value in table["occupation_husb"]])
    numbers = [column(name, table[name].tolist()) for name in ("educ", "occupation_husb")]
    risk = measure(quasi, [*numbers, job])
    assert risk.k == PYCANON_K
    for found, (distinct, t) in zip(risk.sensitive, PYCANON, strict=True):
        assert found.distinct_l == distinct and found.t == pytest.approx(t, abs=1e-9)


def slow_t(classes, values):
    """Compute the distances by their definition, class by class."""
    ordered = sorted(set(values))
    whole = np.array([values.count(value) for value in ordered]) / len(values)
    distances = []
    for one in set(classes):
        inner = [value for value, other in zip(values, classes, strict=True) if other == one]
        part = np.array([inner.count(value) for value in ordered]) / len(inner)
        distances.append(
            (np.abs(np.cumsum(part - whole)).sum() / max(len(ordered) - 1, 1), np.abs(part - whole).sum() / 2)
        )
    return np.max(distances, axis=0)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-6, 6)), min_size=1, max_size=60))
def test_measure_t_agrees_with_the_definition(rows):
    classes, values = [row[0] for row in rows], [row[1] for row in rows]
    ordered, equal = slow_t(classes, values)
    risk = measure([column("q", classes)], [column("n", values), column("c", [f"c{value}" for value in values])])
    assert risk.sensitive[0].t == pytest.approx(ordered, abs=1e-9)
    assert risk.sensitive[1].t == pytest.approx(equal, abs=1e-9)


def test_measure_against_a_population():
    population = [column("q", ["a"] * 10 + ["b"] * 4 + ["c"] * 2)]
    risk = measure([column("q", ["a", "a", "b"])], [], population).population
    assert risk.journalist_highest == 1 / 4 and risk.marketer == pytest.approx((2 / 10 + 1 / 4) / 3)
    assert (risk.delta_lowest, risk.delta_highest) == (0, 1 / 4)
    with pytest.raises(BadRequestError, match="does not contain the file"):
        measure([column("q", ["z"])], [], population)


def test_measure_refuses_tables_without_rows():
    with pytest.raises(BadRequestError, match="at least one row"):
        measure([column("q", [])], [])
