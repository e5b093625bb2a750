"""Anonymized text: findings are changed as a profile says, and what lies between them stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from governance.errors import ConfigurationError
from governance.privacy.change.operators import Context, Operator, transform
from governance.privacy.find.detect import Detectors
from governance.privacy.find.finding import Finding

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Profile:
    """Which operator changes which entity; `default` changes all others."""

    operators: Mapping[str, Operator]

    @classmethod
    def parse(cls, table: Mapping[str, str]) -> Profile:
        """Read `{"PERSON": "surrogate", "default": "replace"}`.

        Raises:
            ConfigurationError: for an operator that there is not.
        """
        operators = {entity: Operator.parse(text) for entity, text in table.items()}
        return cls(MappingProxyType({DEFAULT: Operator("replace"), **operators}))

    def verify(self, context: Context) -> Profile:
        """Return the profile if it can work in this context.

        Raises:
            ConfigurationError: if an operator needs a key, and there is none.
        """
        keyed = [operator.name for operator in self.operators.values() if operator.needs_key]
        if keyed and context.key is None:
            raise ConfigurationError(f"the operator '{keyed[0]}' needs a key: [privacy] hash_key")
        return self

    def of(self, entity: str) -> Operator:
        """Return the operator of an entity."""
        return self.operators.get(entity, self.operators[DEFAULT])


@dataclass(frozen=True, slots=True)
class Anonymized:
    """A changed text, and how many findings of each entity were changed."""

    text: str
    counts: Mapping[str, int]


class TextAnonymizer:
    """Finds and changes personal data in texts.

    Args:
        tally: is told how many findings of each entity were changed.
    """

    def __init__(
        self, detectors: Detectors, profile: Profile, context: Context, tally: Counter[str] | None = None
    ) -> None:
        self._detectors, self._profile, self._context = detectors, profile.verify(context), context
        self._tally = tally

    def within(self, context: Context, tally: Counter[str] | None = None) -> TextAnonymizer:
        """Return the same anonymizer for another scope or subject, with a tally of its own."""
        return TextAnonymizer(self._detectors, self._profile, context, tally)

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each text."""
        return self._detectors.find_all(texts)

    def anonymize(self, texts: Sequence[str]) -> list[Anonymized]:
        """Return each text with its findings changed."""
        return [self.change(text, findings) for text, findings in zip(texts, self.find(texts), strict=True)]

    def changes(self, texts: Sequence[str]) -> list[tuple[int, Anonymized]]:
        """Return the texts in which something was changed, each with its number: most have nothing to change."""
        found = self._detectors.find_in(texts)
        made = [(number, self.change(texts[number], findings)) for number, findings in found.items()]
        return [(number, changed) for number, changed in made if changed.counts]

    def change(self, text: str, findings: Sequence[Finding]) -> Anonymized:
        """Return a text with these findings changed; they are in order, and none lies over another."""
        pieces: list[str] = []
        position, counts = 0, dict[str, int]()
        for finding in findings:
            entity = finding.entity
            operator = self._profile.of(entity)
            if operator.name == "keep":
                continue
            value = text[finding.start : finding.end]
            pieces.append(text[position : finding.start])
            pieces.append(transform(value, entity, operator, self._context))
            position = finding.end
            counts[entity] = counts.get(entity, 0) + 1
        pieces.append(text[position:])
        if self._tally is not None:
            self._tally.update(counts)
        return Anonymized("".join(pieces), counts)
