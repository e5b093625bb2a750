"""From the probability that the network gives a finding to the score that serving reports, measured on real text.

A score of 0.8 says: of what was found with this score or a higher one, at least 80 % was right, in each language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from governance.privacy.find.finding import Finding
from training.tagger.corpus.labelled import UNSURE, LabelledText
from training.tagger.model import ENTITIES

# Points of a calibration: probability, score.
Points = list[list[float]]
# Probability, right characters, all characters of a finding.
_Judged = tuple[float, int, int]
# The score of a finding whose probability is 0, and the highest: below those of patterns that passed a check.
_LOWEST, _HIGHEST = 0.5, 0.84
# Scores that say a precision.
_PROMISED = (0.6, 0.7, 0.8)
# A language with fewer characters above a probability says nothing about it.
_MIN_CHARACTERS = 300
# Probabilities that are tried.
_STEPS = tuple(number / 200 for number in range(60, 200))

# The calibration of a model that was never measured on real text.
UNCALIBRATED: Points = [[0.5, 0.5], [1.0, _HIGHEST]]


def calibrate(texts: Mapping[str, Sequence[LabelledText]], found: Mapping[str, Sequence[Sequence[Finding]]]) -> Points:
    """Return the points between which serving interpolates a score from a probability.

    Args:
        texts: real texts with labels, by language.
        found: the findings of each text, by language; their scores are probabilities.

    Returns:
        Ascending points. A precision that no probability reaches has no point, so that no finding gets that score.
    """
    judged = {language: list(_judge(texts[language], found[language])) for language in texts}
    points: Points = [[0.0, _LOWEST]]
    for score in _PROMISED:
        higher = (step for step in _STEPS if step > points[-1][0])
        probability = next((step for step in higher if _is_kept(judged.values(), step, score)), None)
        if probability is None:
            return [*points, [1.0, round(score - 0.001, 3)]]
        points.append([probability, score])
    return [*points, [1.0, _HIGHEST]]


def _judge(items: Iterable[LabelledText], found: Iterable[Sequence[Finding]]) -> Iterable[_Judged]:
    """Yield probability, right characters and characters of each finding; one at an unsure place is left out."""
    for item, findings in zip(items, found, strict=True):
        for finding in findings:
            size, right = finding.end - finding.start, 0
            for entity, start, end in item.spans:
                shared = max(0, min(end, finding.end) - max(start, finding.start))
                right += shared if entity == finding.entity else 0
                size -= shared if entity == UNSURE or entity not in ENTITIES else 0
            if size > 0:
                yield finding.score, right, size


def _is_kept(judged: Iterable[Sequence[_Judged]], probability: float, precision: float) -> bool:
    """Return whether each language that has enough findings from this probability on has this precision there."""
    counts = []
    for rows in judged:
        right = sum(right for score, right, _ in rows if score >= probability)
        size = sum(size for score, _, size in rows if score >= probability)
        if size >= _MIN_CHARACTERS:
            counts.append((right, size))
    return bool(counts) and all(right >= precision * size for right, size in counts)
