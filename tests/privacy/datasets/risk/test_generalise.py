"""Generalisation reaches its target with the least loss, and refuses what cannot be reached."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.datasets.risk.columns import EncodedColumn
from governance.privacy.datasets.risk.generalise import KAnonymity, generalise
from governance.privacy.datasets.risk.hierarchy import levels_of
from governance.privacy.datasets.risk.measures import measure


def column(name, values):
    places = {}
    codes = np.array([places.setdefault(value, len(places)) for value in values], np.int64)
    return EncodedColumn(name, list(places), codes)


def names(values, given=None):
    return [level.name for level in levels_of(column("c", values), given)]


def test_levels_of_chooses_levels_by_the_values():
    assert names(range(18, 90)) == [
        "as it is",
        "ranges of 5",
        "ranges of 10",
        "ranges of 20",
        "ranges of 40",
        "one value for all",
    ]
    assert names(["94105", "94110", "10001"]) == [
        "as it is", "first 3 characters", "one value for all",
    ]  # fmt: skip
    assert names(["2024-01-02", "2024-01-03", "2024-02-03", "1999-01-01"]) == [
        "as it is", "month", "year", "one value for all",
    ]  # fmt: skip
    assert names(["F", "M"]) == ["as it is", "one value for all"] and names([None, 3.5]) == [
        "as it is",
        "one value for all",
    ]
    age = levels_of(column("age", ["42", "47", "8"]), {"buckets": [10]})[1]
    assert age.labels == ["40-49", "40-49", "0-9"]
    job = levels_of(column("job", ["nurse", "cook"]), {"table": {"nurse": ["care"], "cook": ["food"]}})
    assert job[-1].labels == ["*", "*"]


@pytest.mark.parametrize(
    ("values", "given"),
    [
        ([2, 3, 5], {"buckets": [2, 3]}), (["a"], {"buckets": [5]}), (["x"], {"dates": ["month"]}), ([1], {"dates": ["week"]}),
        (["a"], {"table": {"b": ["c"]}}), (["a", "b"], {"table": {"a": ["c"], "b": []}}), ([1], {"nope": 1}), ([1], {}),
        ([1], {"truncate": [-1]}), ([1], 3),
    ],
)  # fmt: skip
def test_levels_of_refuses_invalid_hierarchies(values, given):
    with pytest.raises(ConfigurationError, match="hierarchy"):
        levels_of(column("c", values), given)


def labels(quasi, done):
    return [
        column(item.name, [level.labels[code] for code, kept in zip(item.codes, done.kept, strict=True) if kept])
        for item, level in zip(quasi, done.levels, strict=True)
    ]


TABLES = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("FM"), st.integers(0, 3)), min_size=2, max_size=60)


@settings(max_examples=60, deadline=None)
@given(TABLES, st.integers(2, 6), st.integers(1, 3), st.sampled_from([0.0, 0.1, 0.3]))
def test_generalise_reaches_the_target_with_the_least_loss(rows, k, l, suppression):  # noqa: E741
    quasi = [column("age", [row[0] for row in rows]), column("sex", [row[1] for row in rows])]
    sensitive = column("s", [row[2] for row in rows])
    levels = [levels_of(item, None) for item in quasi]
    wanted = KAnonymity(k, l, suppression)
    try:
        done = generalise(quasi, levels, [sensitive], wanted)
    except BadRequestError:
        assert not holding(quasi, levels, sensitive, wanted)
        return
    kept = column("s", [value for (*_, value), stays in zip(rows, done.kept, strict=True) if stays])
    risk = measure(labels(quasi, done), [kept])
    assert risk.k >= k and risk.sensitive[0].distinct_l >= l
    assert (~done.kept).sum() <= suppression * len(rows)
    chosen = sum(level.loss[item.codes].mean() for level, item in zip(done.levels, quasi, strict=True))
    assert chosen == pytest.approx(min(holding(quasi, levels, sensitive, wanted)))


def holding(quasi, levels, sensitive, wanted):
    """Return the losses of all combinations that reach the target, each tested by itself."""
    found = []
    for node in itertools.product(*levels):
        classes = {}
        for row in range(len(sensitive.codes)):
            key = tuple(level.codes[item.codes[row]] for level, item in zip(node, quasi, strict=True))
            classes.setdefault(key, []).append(sensitive.codes[row])
        gone = sum(len(c) for c in classes.values() if len(c) < wanted.k or len(set(c)) < wanted.l)
        if gone <= int(wanted.max_suppression * len(sensitive.codes)) and gone < len(sensitive.codes):
            found.append(sum(level.loss[item.codes].mean() for level, item in zip(node, quasi, strict=True)))
    return found


def test_generalise_refuses_targets_that_cannot_be_reached():
    item = column("q", ["a", "b", "c"])
    with pytest.raises(BadRequestError, match="k = 4 cannot be reached"):
        generalise([item], [levels_of(item, None)], [], KAnonymity(4))


def test_generalise_refuses_too_many_combinations():
    items = [column(str(number), range(1000)) for number in range(9)]
    with pytest.raises(ConfigurationError, match="combinations"):
        generalise(items, [levels_of(item, None) for item in items], [], KAnonymity(2))
