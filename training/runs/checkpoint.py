"""Checkpoints: one file holds all that a stopped run needs to go on, and is replaced in one step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from training.config import TrainingError
from training.runs.folder import BEST, LAST, STATE, verify_started
from training.runs.state import RunState

Weights = dict[str, torch.Tensor]


def replace_file(file: Path, write: Callable[[Path], None]) -> None:
    """Write a file under another name and rename it, so that a power cut leaves the old content or the new.

    Args:
        file: the file to replace.
        write: writes the content to the path that it gets.
    """
    fresh = file.with_name(f".{file.name}.new")
    write(fresh)
    with fresh.open("rb") as stream:
        os.fsync(stream.fileno())
    fresh.replace(file)


def save_checkpoint(
    folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, best: Weights, state: RunState
) -> None:
    """Write the checkpoint of the last epoch, and then the best weights and the progress for readers.

    Args:
        folder: of the run.
        network: after the epoch.
        optimiser: after the epoch.
        best: weights with the lowest validation loss.
        state: progress after the epoch.
    """
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for number, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": value for name, value in slots.items()}
    metadata = {"state": json.dumps(asdict(state))}
    replace_file(folder / LAST, lambda file: save_file(tensors, file, metadata))
    write_best(folder, best, state)


def write_best(folder: Path, best: Weights, state: RunState) -> None:
    """Write the best weights and the progress, which the checkpoint contains, too.

    Args:
        folder: of the run.
        best: weights with the lowest validation loss.
        state: progress.
    """
    replace_file(folder / BEST, lambda file: save_file(best, file))
    replace_file(folder / STATE, lambda file: _write_text(file, json.dumps(asdict(state), indent=1)))


def load_checkpoint(folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[RunState, Weights]:
    """Put network and optimiser back to the last checkpoint, and return progress and best weights.

    Args:
        folder: of the run.
        network: of the same configuration.
        optimiser: of the same configuration.

    Raises:
        TrainingError: if there is no checkpoint, or it is damaged or of another version.
    """
    verify_started(folder)
    try:
        with safe_open(folder / LAST, "pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            state = RunState(**json.loads((stream.metadata() or {})["state"]))
        network.load_state_dict(_below("network.", tensors))
        slots: dict[int, Weights] = {}
        for name, value in _below("optimiser.", tensors).items():
            number, slot = name.split(".", 1)
            slots.setdefault(int(number), {})[slot] = value
        optimiser.load_state_dict(optimiser.state_dict() | {"state": slots})
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError):
        raise TrainingError(
            f"{folder / LAST} is damaged, or of another version: choose another --out, or remove {folder}"
        ) from None
    return state, _below("best.", tensors)


def _below(prefix: str, tensors: Weights) -> Weights:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _write_text(file: Path, text: str) -> None:
    file.write_text(text)
