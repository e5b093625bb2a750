"""A bounded cache, as fast as a dictionary."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

GENERATION = 16_384


class Memo(Generic[Key, Value]):
    """A cache of two generations, with at most twice `generation` entries.

    When the young generation is full, it replaces the old one, whose entries are dropped. An entry that is read moves
    to the young generation, so a flood of new keys drops unused entries first.

    Args:
        generation: Greatest number of entries in one generation.
    """

    def __init__(self, generation: int = GENERATION) -> None:
        self._generation = generation
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, or None."""
        value = self._young.get(key)
        if value is None and self._old:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Store the value of a key."""
        if len(self._young) >= self._generation:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def clear(self) -> None:
        """Drop all entries."""
        self._young, self._old = {}, {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
