"""The configuration of a run: model, seed, loss, optimiser, and when to stop."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import tomli_w

NAMES = ("digits-cnn", "digits-rnn")
# The file with the configuration in the folder of a run.
CONFIG = "config.toml"
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
        """Write the configuration as TOML."""
        file.write_text(tomli_w.dumps(asdict(self)))

    @classmethod
    def load(cls, file: Path) -> Config:
        """Read what `save` wrote.

        Raises:
            TrainingError: see `read_changes`.
        """
        return config_for(**read_changes(file))


DEFAULTS: Mapping[str, Config] = MappingProxyType(
    {
        "digits-cnn": Config("digits-cnn", epochs=30, patience=8),
        "digits-rnn": Config("digits-rnn", epochs=40, patience=8, learning_rate=0.002),
    }
)


def read_changes(file: Path) -> dict[str, Any]:
    """Return the fields of `Config` that a TOML file sets.

    Args:
        file: in TOML; each key is a field of `Config`.

    Raises:
        TrainingError: if the file cannot be read, or has a key that is not a field.
    """
    try:
        document = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise TrainingError(f"cannot read {file} as TOML: {error}") from None
    known = [field.name for field in fields(Config)]
    for key in document:
        if key not in known:
            raise TrainingError(f"{file} sets {key}, which is no setting of a run: use {', '.join(known)}")
    return document


def config_for(name: str, **changes: object) -> Config:
    """Return the default configuration of a model with some changes.

    Args:
        name: one of `NAMES`.
        **changes: fields of `Config`; None keeps the default.

    Raises:
        TrainingError: if a value is of another type or out of range; the message names the field.
    """
    if name not in NAMES:
        raise TrainingError(f"there is no model {name}: use {' or '.join(NAMES)}")
    given = {key: value for key, value in changes.items() if value is not None}
    try:
        config = msgspec.convert(asdict(DEFAULTS[name]) | given, Config)
    except msgspec.ValidationError as error:
        raise TrainingError(f"a setting of the run is wrong: {error}") from None
    for key in ("epochs", "batch", "patience", "threads", "learning_rate"):
        if not 0 < getattr(config, key) < float("inf"):
            raise TrainingError(f"a setting of the run is wrong: {key} must be over 0")
    return config
