"""Windows of recent items: constant memory, sums of several workers, and snapshots."""

import json
from itertools import pairwise

import numpy as np
import pytest

from governance.drift.learning import learn
from governance.drift.profile import SignedProfile
from governance.drift.sampling import MAX_WAITING_ROWS, SAMPLE, Pace, SampleBuffer
from governance.drift.window import PARTS, ModelSnapshot, Snapshot, Window, merged
from governance.errors import ConfigurationError

CARD = {
    "inputs": [
        {"name": "x", "datatype": "FP64", "shape": [-1, 2]},
        {"name": "note", "datatype": "BYTES", "shape": [-1]},
    ],
    "outputs": [],
}


def batch(items, seed=0, value=None):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(items, 2)) if value is None else np.full((items, 2), value)
    return {"x": x, "note": np.array(["a" * int(n) for n in generator.integers(1, 30, items)], object)}


@pytest.fixture(scope="module")
def reference():
    return SignedProfile.parse(learn(CARD, batch(300), {}).encode())


def fill(window, items, now, seed=1):
    profile = window.reference.profile
    for start in range(0, items, 10):
        window.add(profile.count(batch(10, seed + start), {}), 10, now)


def test_window_holds_only_the_last_items(reference):
    window = Window(reference, 200, 1000)
    fill(window, 100, now=1.0)
    assert window.counted(1.0).items == 100
    fill(window, 5000, now=2.0)
    assert 180 <= window.counted(2.0).items <= 200
    assert len(window.parts()) == PARTS


def test_window_drops_old_items_without_new_ones(reference):
    window = Window(reference, 200, 100)
    fill(window, 50, now=1.0)
    fill(window, 50, now=60.0)
    assert window.counted(60.0).items == 100
    assert window.counted(101.5).items == 50
    assert window.counted(161.0).items == 0


def test_window_starts_a_new_part_by_time(reference):
    window = Window(reference, 200, 100)
    for second in range(0, 100, 5):
        window.add(reference.profile.count(batch(1, second), {}), 1, float(second))
    assert len(window.parts()) == PARTS


def test_windows_of_workers_are_added(reference):
    first, second = Window(reference, 200, 100), Window(reference, 200, 100)
    fill(first, 60, 1.0)
    fill(second, 90, 1.0, seed=500)
    snapshots = [ModelSnapshot(reference.digest, [], window.parts()) for window in (first, second)]
    both = merged(reference, snapshots, 2.0, 100)
    assert both.items == 150
    assert (both.counts == first.counted(2.0).counts + second.counted(2.0).counts).all()


def test_window_snapshot_of_another_profile_or_width_is_skipped(reference):
    window = Window(reference, 200, 100)
    fill(window, 60, 1.0)
    parts = window.parts()
    assert merged(reference, [ModelSnapshot("other", [], parts)], 1.0, 100).items == 0
    parts[0].counts.append(1)
    assert merged(reference, [ModelSnapshot(reference.digest, [], parts)], 1.0, 100).items == 0


def test_window_continues_after_a_restart(reference):
    window = Window(reference, 200, 100)
    fill(window, 130, 1.0)
    content = Snapshot(1, 1.0, {"m": ModelSnapshot(reference.digest, [0] * 3, window.parts())}).encode()
    again = Window(reference, 200, 100)
    again.restore(Snapshot.parse(content).models["m"])
    assert again.counted(1.0).items == 130
    fill(again, 70, 2.0)
    assert again.counted(2.0).items == 200


def test_window_snapshot_holds_only_integers_and_names(reference):
    window = Window(reference, 200, 100)
    fill(window, 60, 1.0)
    document = json.loads(Snapshot(1, 1.0, {"m": ModelSnapshot(reference.digest, [0], window.parts())}).encode())
    assert set(document["models"]["m"]) == {"profile", "states", "parts"}
    for part in document["models"]["m"]["parts"]:
        assert set(part) == {"started", "items", "counts"} and all(type(n) is int for n in part["counts"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"version":2,"written":1,"models":{}}',
        b'{"version":1,"written":1,"models":{"m":{"profile":"","states":[3],"parts":[]}}}',
        b'{"version":1,"written":1,"models":{"m":{"profile":"","states":[],"parts":[{"started":1,"items":-1,"counts":[]}]}}}',
        b'{"version":1,"written":1,"models":{},"more":1}',
        b"[" * 50_000,
    ],
)
def test_window_snapshot_that_is_invalid_is_refused(content):
    with pytest.raises(ConfigurationError, match="not a snapshot"):
        Snapshot.parse(content)


def waiting(reference, most=64):
    return SampleBuffer(reference.profile, most, np.random.default_rng(4))


def test_sampling_buffers_items_and_counts_them_together(reference):
    pile = waiting(reference)
    full = [pile.add(batch(8, seed), {}) for seed in range(8)]
    assert full == [False] * 7 + [True]
    (counted,) = pile.take()
    expected = sum(reference.profile.count(batch(8, seed), {}) for seed in range(8))
    assert counted.items == 64 == MAX_WAITING_ROWS
    assert (counted.counts == expected).all()
    assert pile.take() == []


def test_sampling_takes_part_of_a_large_batch(reference):
    pile = waiting(reference)
    pile.add(batch(100_000), {})
    (counted,) = pile.take()
    assert counted.items == SAMPLE


def test_sampling_ignores_an_empty_batch(reference):
    pile = waiting(reference)
    assert not pile.add({"x": np.zeros((0, 2)), "note": np.array([], object)}, {})
    assert pile.take() == []


def test_sampling_buffer_is_a_copy_and_holds_no_text(reference):
    pile, given = waiting(reference), batch(4, value=0.0)
    given["note"][:] = "Zacharias Canary"
    pile.add(given, {})
    given["x"][:] = 1e9
    assert b"Canary" not in b"".join(array.tobytes() for kept in pile._kept for array in kept)
    assert not any(array.dtype == object for kept in pile._kept for array in kept)
    (counted,) = pile.take()
    assert (counted.counts == reference.profile.count(batch(4, value=0.0) | {"note": given["note"]}, {})).all()


def test_sampling_drops_items_that_cannot_be_counted(reference):
    pile = waiting(reference)
    with pytest.raises(KeyError):
        pile.add({"x": np.zeros((2, 2))}, {})
    pile.add({"x": np.zeros((1, 1)), "note": np.array(["a"], object)}, {})
    with pytest.raises(IndexError):
        pile.take()
    assert pile.take() == []


def test_sampling_buffers_images_of_different_sizes_together():
    card = {"inputs": [{"name": "i", "datatype": "FP32", "shape": [-1, 3, -1, -1]}], "outputs": []}
    generator = np.random.default_rng(0)
    made = SignedProfile.parse(learn(card, {"i": generator.random((120, 3, 32, 32))}, {}).encode())
    pile = waiting(made)
    for side in (20, 33, 500):
        pile.add({"i": generator.random((2, 3, side, side))}, {})
    assert sum(counted.items for counted in pile.take()) == 6


def test_pace_counts_all_of_few_requests_and_about_so_many_of_more():
    now = 0.0
    pace = Pace(100, np.random.default_rng(1), lambda: now)
    counted = dict.fromkeys(("slow", "first second", "fast", "slow again"), 0)
    for phase, rate, seconds in (("slow", 50, 3), ("first second", 5000, 1), ("fast", 5000, 10), ("slow again", 50, 4)):
        for _ in range(rate * seconds):
            now += 1 / rate
            counted[phase] += pace.takes()
    assert counted["slow"] == 150
    assert 800 < counted["fast"] < 1200
    assert counted["slow again"] >= 150
    now -= 1000
    assert pace.takes()


def test_pace_chooses_at_random():
    now = 0.0
    pace = Pace(100, np.random.default_rng(1), lambda: now)
    taken = []
    for number in range(3000):
        now += 0.001
        if pace.takes() and number > 1000:
            taken.append(number)
    assert len({after - before for before, after in pairwise(taken)}) > 10
