"""What was refused before it became a request: counted by reason, and reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, get_args

from governance.contract.measurements import Measurement

Reason = Literal["malformed", "too_large", "timeout"]


class Refusals:
    """The refused connections of this worker.

    Args:
        report: takes the HTTP status and the reason of each, for the console.
    """

    def __init__(self, report: Callable[[int, str], None]) -> None:
        self._report = report
        self._counts: dict[Reason, int] = dict.fromkeys(get_args(Reason), 0)

    def count(self, status: int, reason: Reason) -> None:
        """Count and report one."""
        self._counts[reason] += 1
        self._report(status, reason)

    def measurements(self) -> Iterable[Measurement]:
        """Return how many connections were refused, by reason."""
        for reason, count in self._counts.items():
            yield Measurement("connections_refused_total", count, (reason,))
