"""The configuration of a run: model, seed, loss, optimiser, and when to stop."""

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
    """An error that the user can correct; the message says how."""


@dataclass(frozen=True, slots=True)
class Config:
    """Configuration of one run of a digit model.

    Attributes:
        name: one of `NAMES`.
        seed: of the split, the weights and the order of images.
        epochs: greatest number of epochs.
        batch: images in a batch.
        learning_rate: of the first epoch; it falls to almost 0 in the last.
        loss: what is minimised.
        optimiser: how.
        patience: epochs without a lower validation loss after which training stops.
        threads: CPU threads of torch.
    """

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
        """Write the configuration as JSON."""
        file.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, file: Path) -> Config:
        """Read what `save` wrote."""
        return cls(**json.loads(file.read_text()))


DEFAULTS: Mapping[str, Config] = MappingProxyType(
    {
        "digits-cnn": Config("digits-cnn", epochs=30, patience=8),
        "digits-rnn": Config("digits-rnn", epochs=40, patience=8, learning_rate=0.002),
    }
)


def config_for(name: str, **changes: object) -> Config:
    """Return the default configuration of a model with some changes.

    Args:
        name: one of `NAMES`.
        **changes: fields of `Config`; None keeps the default.
    """
    given = {key: value for key, value in changes.items() if value is not None}
    return replace(DEFAULTS[name], **given)  # type: ignore[arg-type]
