"""The page of figures: a budget is reached on one side only, and a server that is missing says why."""

import copy
import json
from xml.etree import ElementTree as Xml

import pytest

from tools.performance import RESULTS
from tools.performance.bars import Panel, draw_bars
from tools.performance.serving import BUDGETS, serving_picture, serving_section


@pytest.fixture
def results():
    return json.loads((RESULTS / "serving.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("key", "budget", "name"), BUDGETS)
@pytest.mark.parametrize("side", [-1, 0, 1])
def test_budget_is_reached_on_its_own_side_and_exactly_at_it(results, key, budget, name, side):
    results["ratios"][key] = budget + side * 0.01
    row = next(line for line in serving_section(results).splitlines() if line.startswith(f"| {name} |"))
    wrong = -1 if "throughput" in key else 1
    assert row.endswith("| not reached |" if side == wrong else "| reached |")


def test_budget_without_a_measurement_is_not_measured(results):
    del results["ratios"][BUDGETS[0][0]]
    assert f"| {BUDGETS[0][2]} | not measured |" in serving_section(results)


def test_server_that_is_missing_is_in_the_table_with_the_reason(results):
    changed = copy.deepcopy(results)
    changed["servers"]["MLServer"]["missing"] = "pip failed"
    changed["cells"] = [row for row in changed["cells"] if row["server"] != "MLServer"]
    text = serving_section(changed)
    assert "| MLServer | 1.7.1 | not measured: pip failed |" in text
    assert "| MLServer | not measured |" in text
    assert "MLServer" not in serving_picture(changed)


def test_bars_are_as_long_as_their_values_and_escape_names():
    picture = draw_bars("a < b", ["x & y", "z"], [True, False], [Panel("calls/s", [(10, "10"), (5, "5")])])
    root = Xml.fromstring(picture)  # noqa: S314 - our own text
    bars = [one for one in root.iter("{http://www.w3.org/2000/svg}rect") if one.get("class").startswith("bar")]
    first, second = (float(bar.get("width")) for bar in bars)
    assert first == pytest.approx(2 * second)
    assert "prefers-color-scheme: dark" in picture
    assert root.find("{http://www.w3.org/2000/svg}desc").text == "x & y: 10 calls/s. z: 5 calls/s."
