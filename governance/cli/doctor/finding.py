"""What a check found: one line, and the remedy if something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from governance.errors import GovernanceError

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    Attributes:
        subject: What was looked at, such as `keys`.
        level: `problem` keeps the service from starting or answering, `warning` does not.
        text: What was found, in one sentence.
        remedy: What to do; empty if all is well.
    """

    subject: str
    level: Level
    text: str
    remedy: str = ""


def findings_of(subject: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check finds; an error that it raises is a problem with the error's own remedy."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except GovernanceError as error:
        found.append(Finding(subject, "problem", str(error), error.remedy))
    return found
