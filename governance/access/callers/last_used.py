"""The day on which each API key was last used.

A day is enough to find keys that are not needed any more, and too coarse to record what a caller did.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from governance.errors import ConfigurationError
from governance.files import locked, read_limited, replace_file

MAX_BYTES = 64 * 2**20


class LastUsed:
    """Days of last use by key id, kept in memory and merged into one file that all workers share.

    Args:
        file: The shared file (JSON: `{"<key id>": "YYYY-MM-DD"}`).
        clock: Returns Unix seconds.
    """

    def __init__(self, file: Path, clock: Callable[[], float]) -> None:
        self._file, self._clock = file, clock
        self._days: dict[str, int] = {}
        self._changed = False

    def mark(self, key_id: str) -> None:
        """Record that a key was used today."""
        day = int(self._clock() // 86_400)
        if self._days.get(key_id) != day:
            self._days[key_id] = day
            self._changed = True

    def flush(self) -> None:
        """Merge the days since the last flush into the file; the later day of each key is kept.

        Raises:
            ConfigurationError: if the file cannot be read or written.
        """
        if not self._changed:
            return
        self._changed = False
        try:
            with locked(self._file):
                days = self.read()
                for key_id, number in self._days.items():
                    day = datetime.fromtimestamp(number * 86_400, UTC).date()
                    days[key_id] = max(days.get(key_id, day), day)
                replace_file(self._file, msgspec.json.encode(dict(sorted(days.items()))))
        except OSError as error:
            raise ConfigurationError(f"cannot write {self._file}: {error.strerror}") from None

    def read(self) -> dict[str, date]:
        """Return the days by key id; a missing file means none.

        Raises:
            ConfigurationError: if the file exists and cannot be read.
        """
        if not self._file.exists():
            return {}
        try:
            return msgspec.json.decode(read_limited(self._file, MAX_BYTES), type=dict[str, date])
        except msgspec.MsgspecError:
            raise ConfigurationError(f"{self._file} is not a file of days on which API keys were used") from None
