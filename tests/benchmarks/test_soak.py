"""The soak's judgement: a leak is found, and noise and warm caches are none."""

import random

import pytest

from benchmarks.soak import judge


def memory(at, minutes=30, every=5):
    return [(float(second), at(second)) for second in range(0, minutes * 60, every)]


@pytest.mark.parametrize("mib_per_minute", [0.5, 2, 10])
def test_soak_finds_a_leak(mib_per_minute):
    chance = random.Random(1)
    judged = judge(memory(lambda second: 300 + mib_per_minute * second / 60 + chance.random()))
    assert not judged.is_flat and judged.mib_per_hour == pytest.approx(60 * mib_per_minute, rel=0.1)


def test_soak_takes_noise_warm_caches_and_falling_memory_for_flat():
    chance = random.Random(1)
    assert judge(memory(lambda second: 300 + 5 * chance.random())).is_flat
    assert judge(memory(lambda second: 300 + min(second / 5, 80))).is_flat
    assert judge(memory(lambda second: 300 - second / 60)).is_flat
