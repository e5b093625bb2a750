"""Texts with their findings changed as a profile says; everything between findings stays as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from governance.errors import ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.change.operators import Operator
from governance.privacy.find.detect import Detectors
from governance.privacy.find.finding import Finding

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class AnonymizationProfile:
    """The operator for each entity.

    Attributes:
        operators: Operators by entity; `default` is the one for all other entities.
    """

    operators: Mapping[str, Operator]

    @classmethod
    def parse(cls, table: Mapping[str, str]) -> AnonymizationProfile:
        """Read a `table` such as `{"PERSON": "surrogate", "default": "mask"}`; the default of `default` is `replace`.

        Raises:
            ConfigurationError: If a value is not an operator.
        """
        operators = {entity: Operator.parse(text) for entity, text in table.items()}
        return cls(MappingProxyType({DEFAULT: Operator("replace"), **operators}))

    def verify(self, context: Context) -> AnonymizationProfile:
        """Return the profile if `context` has all that its operators need.

        Raises:
            ConfigurationError: If an operator needs a key and the context has none.
        """
        keyed = [operator.name for operator in self.operators.values() if operator.needs_key]
        if keyed and context.key is None:
            raise ConfigurationError(f"the operator '{keyed[0]}' needs a key: [privacy] hash_key")
        return self

    def of(self, entity: str) -> Operator:
        """Return the operator of an `entity`."""
        return self.operators.get(entity, self.operators[DEFAULT])


@dataclass(frozen=True, slots=True)
class Anonymized:
    """A changed text.

    Attributes:
        text: The text with its findings changed.
        counts: Changed findings by entity; empty if the text is as it was.
    """

    text: str
    counts: Mapping[str, int]


# Takes texts and returns each of them changed, in their order.
AnonymizeTexts = Callable[[Sequence[str]], Sequence[Anonymized]]


class TextAnonymizer:
    """Finds personal data in texts and changes it.

    With the profile `{"PERSON": "mask", "default": "replace"}`, `Ada Lovelace: ada@example.org` becomes
    `*** ********: <EMAIL_ADDRESS>`.

    Args:
        detectors: Find personal data.
        profile: The operator for each entity.
        context: Key, scope and subject of the operators.
        counter: Is incremented for each changed finding, by entity; None to count nothing.

    Raises:
        ConfigurationError: If the profile needs a key and the context has none.
    """

    def __init__(
        self,
        detectors: Detectors,
        profile: AnonymizationProfile,
        context: Context,
        counter: Counter[str] | None = None,
    ) -> None:
        self._detectors, self._profile, self._context = detectors, profile.verify(context), context
        self._counter = counter

    def within(self, context: Context, counter: Counter[str] | None = None) -> TextAnonymizer:
        """Return an anonymizer with the same detectors and profile, for another scope or subject.

        Args:
            context: Key, scope and subject of the operators.
            counter: Is incremented for each changed finding, by entity; None to count nothing.

        Raises:
            ConfigurationError: If the profile needs a key and the context has none.
        """
        return TextAnonymizer(self._detectors, self._profile, context, counter)

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each of `texts`, in order and without overlaps."""
        return self._detectors.find_all(texts)

    def anonymize(self, texts: Sequence[str]) -> list[Anonymized]:
        """Return each of `texts` with its findings changed."""
        return [self.change(text, findings) for text, findings in zip(texts, self.find(texts), strict=True)]

    def changes(self, texts: Sequence[str]) -> list[tuple[int, Anonymized]]:
        """Return only the texts that are changed, each with its index in `texts`.

        Most texts of a request have no findings: this costs less than `anonymize`, which makes a result for each.
        """
        found = self._detectors.find_in(texts)
        changed = [(number, self.change(texts[number], findings)) for number, findings in found.items()]
        return [(number, one) for number, one in changed if one.counts]

    def change(self, text: str, findings: Sequence[Finding]) -> Anonymized:
        """Return a text with these findings changed.

        Args:
            text: The text.
            findings: Its findings, in order and without overlaps.
        """
        pieces: list[str] = []
        position, counts = 0, dict[str, int]()
        for finding in findings:
            entity = finding.entity
            operator = self._profile.of(entity)
            if operator.keeps:
                continue
            pieces.append(text[position : finding.start])
            pieces.append(operator.change_text(text[finding.start : finding.end], entity, self._context))
            position = finding.end
            counts[entity] = counts.get(entity, 0) + 1
        pieces.append(text[position:])
        if self._counter is not None:
            self._counter.update(counts)
        return Anonymized("".join(pieces), counts)
