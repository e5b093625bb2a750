"""Pseudonym scopes: equal values get equal results only under one scope, made of tenant, purpose and epoch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from governance.errors import ConfigurationError

NAMES = frozenset({"purpose", "caller", "year", "month"})
MAX_CHARACTERS = 256
_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class PseudonymScope:
    """A scope with placeholders for what a request says: `ward-7/{purpose}/{year}`.

    Attributes:
        text: The scope as the settings write it.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> PseudonymScope:
        """Read a scope: up to 256 characters, with the placeholders {purpose}, {caller}, {year} and {month}.

        Raises:
            ConfigurationError: If it is too long, or has an unknown placeholder or a single brace.
        """
        unknown = set(_PLACE.findall(text)) - NAMES
        if unknown or len(text) > MAX_CHARACTERS or re.search(r"[{}]", _PLACE.sub("", text)):
            known = ", ".join(f"{{{name}}}" for name in sorted(NAMES))
            raise ConfigurationError(
                f"a scope has up to {MAX_CHARACTERS} characters, and no placeholders except {known}"
            )
        return cls(text)

    @property
    def varies(self) -> bool:
        """Whether the scope depends on the request."""
        return "{" in self.text

    def of(self, values: Mapping[str, str]) -> str:
        """Return the scope of one request.

        `ward-7/{purpose}/{year}` with `{"purpose": "treatment", "year": "2026", …}` becomes `ward-7/treatment/2026`.

        Args:
            values: The text of each placeholder. It is inserted as it is: braces in it are not placeholders.
        """
        return _PLACE.sub(lambda place: values[place[1]], self.text)
