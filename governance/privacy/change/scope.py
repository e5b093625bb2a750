"""Scopes: under which values stay equal, by tenant, purpose and epoch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from governance.errors import ConfigurationError

NAMES = frozenset({"purpose", "caller", "year", "month"})
MAX_CHARACTERS = 256
_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope with places for what a request says: `ward-7/{purpose}/{year}`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read a scope.

        Raises:
            ConfigurationError: if it is too long, or has a place for something that is not known.
        """
        unknown = set(_PLACE.findall(text)) - NAMES
        if unknown or len(text) > MAX_CHARACTERS or re.search(r"[{}]", _PLACE.sub("", text)):
            known = ", ".join(f"{{{name}}}" for name in sorted(NAMES))
            raise ConfigurationError(f"a scope has up to {MAX_CHARACTERS} characters, and places for {known} alone")
        return cls(text)

    @property
    def varies(self) -> bool:
        """Whether it is another one for other requests."""
        return "{" in self.text

    def of(self, values: Mapping[str, str]) -> str:
        """Return the scope of one request."""
        return _PLACE.sub(lambda place: values[place[1]], self.text)
