"""Obligations: conditions that a permit sets on the answer and the request, written as annotations of the policy.

`@output("label" | "top-k:N" | "rounded:D" | "full")` limits the detail of the model's answer; `@anonymize("PROFILE")`
names a profile by which the request is anonymized. Of several outputs the strictest applies; of several profiles, all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from governance.errors import ConfigurationError

_OUTPUT = re.compile(r"(label|full|top-k|rounded)(?::([0-9]{1,3}))?")
_STRICTNESS = {"label": 0, "top-k": 1, "rounded": 2}
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class OutputDetail:
    """Greatest detail of an answer.

    Attributes:
        kind: `label` (only the likeliest class), `top-k` (the `number` likeliest classes), or `rounded` (scores with
            `number` decimals).
        number: N of `top-k:N` or D of `rounded:D`.
    """

    kind: Literal["label", "top-k", "rounded"]
    number: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "label" else f"{self.kind}:{self.number}"


@dataclass(frozen=True, slots=True)
class Obligations:
    """Conditions of a permit; none by default.

    Attributes:
        output: Greatest detail of the answer, or None for the full answer.
        anonymize: Names of the profiles by which the request is anonymized.
    """

    output: OutputDetail | None = None
    anonymize: tuple[str, ...] = ()

    def __str__(self) -> str:
        output = [f"output={self.output}"] if self.output is not None else []
        return " ".join([*output, *(f"anonymize={profile}" for profile in self.anonymize)])


NO_OBLIGATIONS = Obligations()


def parse_obligations(annotations: Mapping[str, str]) -> Obligations:
    """Parse the annotations of a policy.

    Example:
        `{"output": "top-k:3", "anonymize": "mask"}` becomes `output=top-k:3 anonymize=mask` (as `str`).

    Raises:
        ConfigurationError: if one has a wrong form.
    """
    profile = annotations.get("anonymize")
    if profile is not None and not _PROFILE.fullmatch(profile):
        raise ConfigurationError('@anonymize names no profile: write @anonymize("PROFILE")')
    output = _parse_output(annotations["output"]) if "output" in annotations else None
    return Obligations(output, (profile,) if profile is not None else ())


def strictest(obligations: Iterable[Obligations]) -> Obligations:
    """Return obligations that include all of these: the strictest output, and every profile."""
    outputs: list[OutputDetail] = []
    profiles: set[str] = set()
    for item in obligations:
        if item.output is not None:
            outputs.append(item.output)
        profiles.update(item.anonymize)
    if not outputs and not profiles:
        return NO_OBLIGATIONS
    output = min(outputs, key=lambda item: (_STRICTNESS[item.kind], item.number)) if outputs else None
    return Obligations(output, tuple(sorted(profiles)))


def _parse_output(text: str) -> OutputDetail | None:
    match = _OUTPUT.fullmatch(text)
    kind, number = match.groups() if match else (None, None)
    if kind == "full" and number is None:
        return None
    if kind == "label" and number is None:
        return OutputDetail("label")
    if kind == "top-k" and number is not None and int(number) >= 1:
        return OutputDetail("top-k", int(number))
    if kind == "rounded" and number is not None and int(number) <= 15:
        return OutputDetail("rounded", int(number))
    raise ConfigurationError('@output must be "label", "top-k:N" (N from 1), "rounded:D" (D to 15) or "full"')
