"""Obligations: what a permit asks for besides its yes, written as annotations on the policy.

`@output("label" | "top-k:N" | "rounded:D" | "full")` says in what detail the caller gets a model's answer, and
`@anonymize("PROFILE")` by which profile the request is anonymized. Of several outputs the strictest holds; of several
profiles each is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from governance.errors import ConfigurationError, ForbiddenError

OutputTensors = Mapping[str, np.ndarray[Any, Any]]

_OUTPUT = re.compile(r"(label|full|top-k|rounded)(?::([0-9]{1,3}))?")
_STRICTNESS = {"label": 0, "top-k": 1, "rounded": 2}
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class OutputDetail:
    """How much of a model's answer leaves: the likeliest class alone, the `number` likeliest, or so many decimals."""

    kind: Literal["label", "top-k", "rounded"]
    number: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "label" else f"{self.kind}:{self.number}"


@dataclass(frozen=True, slots=True)
class Obligations:
    """What must be done for a permit to hold; nothing, by default."""

    output: OutputDetail | None = None
    anonymize: tuple[str, ...] = ()

    def __str__(self) -> str:
        output = [f"output={self.output}"] if self.output is not None else []
        return " ".join([*output, *(f"anonymize={profile}" for profile in self.anonymize)])


NO_OBLIGATIONS = Obligations()


def parse_obligations(annotations: Mapping[str, str]) -> Obligations:
    """Read a policy's annotations.

    Raises:
        ConfigurationError: if one cannot be carried out as it is written.
    """
    profile = annotations.get("anonymize")
    if profile is not None and not _PROFILE.fullmatch(profile):
        raise ConfigurationError('@anonymize names no profile: write @anonymize("PROFILE")')
    output = _parse_output(annotations["output"]) if "output" in annotations else None
    return Obligations(output, (profile,) if profile is not None else ())


def strictest(obligations: Iterable[Obligations]) -> Obligations:
    """Return what fulfils all of them: the strictest output, and every profile."""
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


def restrict(outputs: OutputTensors, rule: OutputDetail, classes: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return a model's outputs in no more detail than `rule` permits; names, shapes and types stay.

    `label` leaves 1 for the likeliest class and 0 for the others; `top-k` leaves the scores of the likeliest, and 0 for
    the others (the lowest number of the type, where scores can be negative); `rounded` leaves so many decimals.
    Integers, truth values and texts are labels already.

    Args:
        outputs: by name; scores of classes along the last axis.
        classes: how many classes the model's card names; 0 if it names none.

    Raises:
        ForbiddenError: if an output holds numbers that are no scores, of which no label can be made.
    """
    return {name: _restricted(name, array, rule, classes) for name, array in outputs.items()}


def _restricted(name: str, array: np.ndarray[Any, Any], rule: OutputDetail, classes: int) -> np.ndarray[Any, Any]:
    if not np.issubdtype(array.dtype, np.floating):
        return array
    if rule.kind == "rounded":
        return np.round(array, rule.number)
    width = array.shape[-1] if array.ndim >= 2 else 0
    if width < 2 or (classes and width != classes):
        raise ForbiddenError(f"the policy permits labels alone, and the output '{name[:80]}' has none")
    likeliest = np.argsort(-array, axis=-1, kind="stable")[..., : 1 if rule.kind == "label" else rule.number]
    if rule.kind == "label":
        kept = np.zeros_like(array)
        np.put_along_axis(kept, likeliest, 1, axis=-1)
        return kept
    lowest = 0 if not (array < 0).any() else np.finfo(array.dtype).min
    kept = np.full_like(array, lowest)
    np.put_along_axis(kept, likeliest, np.take_along_axis(array, likeliest, axis=-1), axis=-1)
    return kept


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
