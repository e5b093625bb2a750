"""The expressions of detectors take linear time: no repetition without a bound, no look-around."""

import re
from re import _parser as parser

import pytest

from governance.privacy.find.patterns.detectors import DETECTORS


def repetitions(parsed):
    for name, value in parsed:
        if name in (parser.MAX_REPEAT, parser.MIN_REPEAT):
            yield value[1]
            yield from repetitions(value[2])
        elif name is parser.SUBPATTERN:
            yield from repetitions(value[-1])
        elif name is parser.BRANCH:
            for part in value[1]:
                yield from repetitions(part)


@pytest.mark.parametrize("item", DETECTORS, ids=lambda item: item.name)
def test_expressions_have_bounded_repetitions_only(item):
    assert all(most is not parser.MAXREPEAT and most <= 8_000 for most in repetitions(parser.parse(item.whole)))
    assert not re.search(r"\(\?[=!<]|\\[1-9]", item.whole)
