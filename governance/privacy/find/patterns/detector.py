"""One row of the table of detectors."""

from __future__ import annotations

from dataclasses import dataclass

from governance.privacy.find.patterns.checks import Check

# A detector with a lower score than this accepts matches near one of its context words only.
NEEDS_CONTEXT_BELOW = 0.25


@dataclass(frozen=True, slots=True)
class Detector:
    """A pattern, what it finds, how sure that is, its check, its context words, and examples.

    Patterns are matched against UTF-8 bytes, by Hyperscan and by `re`, so they use only what both support: no
    look-around and no back reference. No pattern matches NUL, which separates texts that are searched together. The
    characters around a match are checked apart from the pattern: by default, no ASCII letter or digit may be there.

    Attributes:
        name: unique; it is in the `why` of a finding.
        entity: the kind of personal data; empty for what only looks like some, such as the number of a version: its
            match hides less sure ones, and is no finding.
        pattern: a regular expression with bounded repetitions only, so that no text takes more than linear time.
        score: confidence in a match that passes the check and has no context word near it, 0 to 1.
        check: a function of the matched text; a match for which it is false is dropped.
        context: words (lower case; English, Chinese and others) of which one near the match sets the score to
            `with_context`.
        with_context: confidence in a match near a context word, 0 to 1.
        alone: a stricter check for a match without a context word near it; None if `check` is enough.
        edges: characters, apart from letters and digits, that must not be directly before or after a match. Marks such
            as `.` and `-` are forbidden only where the number goes on behind them (`expressions.JOINING_MARKS`).
        caseless: whether upper and lower case are the same.
        digits: the least number of digits in a match, if it is a number; such detectors run in groups of digits only.
        marks: characters of which such a group must contain at least one.
        label: an expression directly before the pattern that says what the value is; the finding begins after it.
        tail: an expression directly after the pattern that belongs to the finding; it begins with no letter or digit.
        not_behind: more characters that must not directly follow a match.
        begins: for a detector whose matches may be long, a cheap expression with which all of them begin; Hyperscan
            searches for it instead of the whole pattern.
        examples: texts in which the detector must find something; tests run them.
        counter_examples: texts in which it must not.
    """

    name: str
    entity: str
    pattern: str
    score: float
    check: Check | None = None
    context: tuple[str, ...] = ()
    with_context: float = 0.0
    edges: str = ""
    caseless: bool = False
    digits: int = 0
    marks: str = ""
    label: str = ""
    tail: str = ""
    alone: Check | None = None
    not_behind: str = ""
    begins: str = ""
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()

    @property
    def labelled(self) -> str:
        """The pattern after its label."""
        return f"{self.label}(?:{self.pattern})" if self.label else self.pattern

    @property
    def whole(self) -> str:
        """The pattern with its label and its tail."""
        return self.labelled + self.tail

    @property
    def needs_context(self) -> bool:
        """Whether a match counts only near one of the context words."""
        return self.score < NEEDS_CONTEXT_BELOW
