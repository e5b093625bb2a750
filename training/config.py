"""What a run is made of: model, loss, optimiser, and how long to try."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

NAMES = ("digits-cnn", "digits-rnn")
CLASSES = tuple(str(digit) for digit in range(10))


class TrainingError(Exception):
    """Something that a person can mend; the text says how."""


@dataclass(frozen=True, slots=True)
class Config:
    """One run. `learning_rate` is α; `patience` counts epochs without a better validation loss."""

    name: str
    seed: int = 7
    epochs: int = 30
    batch: int = 64
    learning_rate: float = 0.001
    loss: Literal["cross-entropy", "mse"] = "cross-entropy"
    optimiser: Literal["adam", "gradient-descent"] = "adam"
    patience: int = 5
    threads: int = 2

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, file: Path) -> Config:
        return cls(**json.loads(file.read_text()))


DEFAULTS: Mapping[str, Config] = MappingProxyType(
    {
        "digits-cnn": Config("digits-cnn", epochs=30, patience=8),
        "digits-rnn": Config("digits-rnn", epochs=40, patience=8, learning_rate=0.002),
    }
)


def config_for(name: str, **changes: object) -> Config:
    """Return the defaults of a model with what is not None changed."""
    given = {key: value for key, value in changes.items() if value is not None}
    return replace(DEFAULTS[name], **given)  # type: ignore[arg-type]
