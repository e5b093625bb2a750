"""The training loop of the digit models, with early stopping; resuming a stopped run gives the same result."""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from tqdm import tqdm

from training.cnn import Cnn
from training.config import CONFIG, Config, TrainingError
from training.preprocess import Statistics
from training.rnn import Rnn
from training.runs.checkpoint import load_checkpoint, save_checkpoint, write_best
from training.runs.folder import BEST, STATE, verify_new, verify_started
from training.runs.state import RunState

STATISTICS = "stats.json"

# Images float32 [n, 1, 28, 28] from 0 to 1, and labels int64 [n].
ImagesAndLabels = tuple[torch.Tensor, torch.Tensor]
# Maps logits [n, 10] and labels [n] to a scalar.
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Normalised(nn.Module):
    """A network with its normalisation in front, so that serving normalises as training does.

    Args:
        network: maps normalised images [n, 1, 28, 28] to logits [n, 10].
        statistics: mean and standard deviation of the train part.
    """

    def __init__(self, network: nn.Module, statistics: Statistics) -> None:
        super().__init__()
        self.network, self.statistics = network, statistics

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of the ten classes, [n, 10].

        Args:
            images: float32 [n, 1, 28, 28] from 0 to 1.
        """
        logits: torch.Tensor = self.network((images - self.statistics.mean) / self.statistics.std)
        return logits


def build(config: Config) -> Cnn | Rnn:
    """Return the network that the configuration names, before `initialise`."""
    return Cnn() if config.name == "digits-cnn" else Rnn()


def seed_everything(config: Config) -> None:
    """Seed Python, NumPy and torch, and set threads and deterministic algorithms: a run is repeatable on a machine."""
    random.seed(config.seed)
    np.random.seed(config.seed % 2**32)
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True)


def loss_of(config: Config) -> Loss:
    """Return the loss of a run: cross-entropy, or the mean squared error between probabilities and one-hot labels."""
    if config.loss == "cross-entropy":
        return nn.CrossEntropyLoss()
    return lambda logits, labels: nn.functional.mse_loss(
        logits.softmax(dim=1), nn.functional.one_hot(labels, logits.shape[1]).float()
    )


class GradientDescent(torch.optim.Optimizer):
    """Plain gradient descent: θ ← θ − α∇J.

    Args:
        parameters: of the network.
        learning_rate: α.
    """

    def __init__(self, parameters: Iterator[nn.Parameter], learning_rate: float) -> None:
        super().__init__(parameters, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Change each parameter by its gradient; `closure` is ignored."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(group["lr"] * parameter.grad)


def optimiser_of(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a run, for the parameters of a network."""
    if config.optimiser == "adam":
        return torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    return GradientDescent(network.parameters(), config.learning_rate)


def fit(
    config: Config,
    train: ImagesAndLabels,
    validation: ImagesAndLabels,
    statistics: Statistics,
    folder: Path | None,
    *,
    resume: bool = False,
    progress: bool = True,
    each_epoch: Callable[[RunState], None] = lambda _: None,
) -> tuple[Normalised, RunState]:
    """Train until the validation loss stops falling, and return the network with the lowest.

    Args:
        config: model, loss, optimiser, epochs and patience.
        train: images and labels to train on.
        validation: images and labels that choose the best epoch.
        statistics: of the train part, for normalisation.
        folder: folder for configuration and checkpoints; None writes nothing.
        resume: continue after the last completed epoch of the run in `folder`.
        progress: show a progress bar if the standard error is a terminal.
        each_epoch: called after each epoch, when its checkpoint is written; an exception from it stops the run.

    Raises:
        TrainingError: if there is no run to resume, or it has another configuration; or there is one, and it is not to
            be resumed.
    """
    seed_everything(config)
    network = build(config)
    network.initialise()
    model, state = Normalised(network, statistics), RunState()
    optimiser = optimiser_of(config, network)
    best = {name: value.clone() for name, value in network.state_dict().items()}
    if resume:
        state, best = _resume(config, network, optimiser, folder)
    elif folder is not None:
        _begin(config, statistics, folder)
    loss = loss_of(config)
    while state.epoch < config.epochs and not state.finished:
        _train_epoch(config, model, optimiser, loss, train, state, progress)
        validation_loss, accuracy = measure(model, loss, validation)
        state.epoch += 1
        state.history[-1] |= {"validation_loss": validation_loss, "validation_accuracy": accuracy}
        if validation_loss < state.best_loss:
            state.best_loss, state.waited = validation_loss, 0
            best = {name: value.clone() for name, value in network.state_dict().items()}
        else:
            state.waited += 1
        state.finished = state.waited >= config.patience or state.epoch == config.epochs
        if folder is not None:
            save_checkpoint(folder, network, optimiser, best, state)
        each_epoch(state)
    network.load_state_dict(best)
    return model.eval(), state


@torch.no_grad()
def measure(model: nn.Module, loss: Loss, part: ImagesAndLabels) -> tuple[float, float]:
    """Return loss and accuracy of a model on images and labels."""
    model.eval()
    logits = torch.cat([model(images) for images in torch.split(part[0], 500)])
    return float(loss(logits, part[1])), float((logits.argmax(dim=1) == part[1]).float().mean())


def load_best(folder: Path) -> tuple[Config, Normalised, RunState]:
    """Return configuration, best network and progress of the run in a folder.

    Raises:
        TrainingError: if there is no run in it.
    """
    if not (folder / BEST).is_file():
        raise TrainingError(f"there is no trained model in {folder}: run `python -m training fit` first")
    if not (folder / CONFIG).is_file():
        raise TrainingError(
            f"the run in {folder} was made by an earlier version: choose another --out, and train again"
        )
    config = Config.load(folder / CONFIG)
    network = build(config)
    network.load_state_dict(load_file(folder / BEST))
    statistics = Statistics(**json.loads((folder / STATISTICS).read_text()))
    return config, Normalised(network, statistics).eval(), RunState(**json.loads((folder / STATE).read_text()))


def _train_epoch(
    config: Config,
    model: Normalised,
    optimiser: torch.optim.Optimizer,
    loss: Loss,
    train: ImagesAndLabels,
    state: RunState,
    progress: bool,
) -> None:
    # Order and variation of an epoch depend on seed and epoch alone, so a resumed run sees what the whole one would.
    generator = torch.Generator().manual_seed(config.seed * 100_003 + state.epoch)
    order = torch.randperm(len(train[0]), generator=generator)
    _set_rate(optimiser, config, state.epoch)
    model.train()
    total = correct = seen = 0.0
    batches = torch.split(order, config.batch)
    bar = tqdm(
        batches,
        desc=f"epoch {state.epoch + 1}/{config.epochs}",
        # A bar is redrawn with carriage returns, which would fill a log file.
        disable=not (progress and sys.stderr.isatty()),
        leave=False,
        unit="batch",
    )
    for number, places in enumerate(bar):
        images, labels = vary(train[0][places], generator), train[1][places]
        optimiser.zero_grad()
        logits = model(images)
        value = loss(logits, labels)
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += value.item() * len(places)
        correct += float((logits.argmax(dim=1) == labels).sum())
        seen += len(places)
        if number % 10 == 0:
            bar.set_postfix(loss=f"{total / seen:.4f}", accuracy=f"{correct / seen:.4f}")
    state.history.append(
        {
            "epoch": state.epoch + 1,
            "rate": optimiser.param_groups[0]["lr"],
            "train_loss": total / seen,
            "train_accuracy": correct / seen,
        }
    )


def _set_rate(optimiser: torch.optim.Optimizer, config: Config, epoch: int) -> None:
    """Set the learning rate of an epoch: it falls along half a cosine (Loshchilov and Hutter 2017)."""
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))


def vary(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Rotate, scale and move each image a little, as handwriting varies (Simard et al. 2003).

    Args:
        images: float32 [n, 1, 28, 28].
        generator: draws up to 11 degrees, a tenth of the size, and two pixels in each direction.
    """
    turn, scale, right, down = (torch.rand(4, len(images), generator=generator) * 2 - 1).unbind()
    cosine, sine, size = torch.cos(turn * 0.2), torch.sin(turn * 0.2), 1 + 0.1 * scale
    rows = [torch.stack([cosine * size, -sine, right * 0.14], 1), torch.stack([sine, cosine * size, down * 0.14], 1)]
    grid = nn.functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def _begin(config: Config, statistics: Statistics, folder: Path) -> None:
    verify_new(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config.save(folder / CONFIG)
    (folder / STATISTICS).write_text(json.dumps(asdict(statistics)))


def _resume(
    config: Config, network: nn.Module, optimiser: torch.optim.Optimizer, folder: Path | None
) -> tuple[RunState, dict[str, torch.Tensor]]:
    folder = verify_started(folder)
    if asdict(Config.load(folder / CONFIG)) != asdict(config):
        raise TrainingError(
            f"the run in {folder} has other settings: resume it with those settings, or choose another --out"
        )
    state, best = load_checkpoint(folder, network, optimiser)
    # Where the run was stopped between its checkpoint and these files, they are of an earlier epoch.
    write_best(folder, best, state)
    return state, best
