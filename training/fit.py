"""Fit: a plain loop with early stopping, and checkpoints from which it goes on as if it had never stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm

from training.cnn import Cnn
from training.config import Config, TrainingError
from training.preprocess import Statistics
from training.rnn import Rnn

BEST, LAST, STATE, CONFIG, STATISTICS = (
    "best.safetensors",
    "last.safetensors",
    "state.json",
    "config.json",
    "stats.json",
)

Tensors = tuple[torch.Tensor, torch.Tensor]
Step = Callable[[], None]


class Normalised(nn.Module):
    """A network behind its normalisation, so that training and serving cannot differ."""

    def __init__(self, network: nn.Module, statistics: Statistics) -> None:
        super().__init__()
        self.network, self.statistics = network, statistics

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network((images - self.statistics.mean) / self.statistics.std)
        return logits


@dataclass(slots=True)
class State:
    """How far a run is: enough, with the checkpoints, to go on."""

    epoch: int = 0
    best_loss: float = float("inf")
    waited: int = 0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


def build(config: Config) -> Cnn | Rnn:
    """Construct the network of a run."""
    return Cnn() if config.name == "digits-cnn" else Rnn()


def seed_everything(config: Config) -> None:
    """Make a run repeatable on one machine."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True)


def loss_of(config: Config) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return cross-entropy over logits, or the mean squared error of probabilities against one-hot labels."""
    if config.loss == "cross-entropy":
        return nn.CrossEntropyLoss()
    return lambda logits, labels: nn.functional.mse_loss(
        logits.softmax(dim=1), nn.functional.one_hot(labels, logits.shape[1]).float()
    )


class GradientDescent(torch.optim.Optimizer):
    """Plain gradient descent: θ ← θ − α∇J."""

    def __init__(self, parameters: Iterator[nn.Parameter], learning_rate: float) -> None:
        super().__init__(parameters, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(group["lr"] * parameter.grad)


def optimiser_of(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a run."""
    if config.optimiser == "adam":
        return torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    return GradientDescent(network.parameters(), config.learning_rate)


def fit(
    config: Config,
    train: Tensors,
    validation: Tensors,
    statistics: Statistics,
    folder: Path | None,
    *,
    resume: bool = False,
    progress: bool = True,
    each_epoch: Callable[[int, float], None] = lambda _epoch, _loss: None,
) -> tuple[Normalised, State]:
    """Train until the validation loss stops falling, and return the best network.

    Args:
        train, validation: images [n, 1, 28, 28] in 0 to 1, labels [n].
        folder: where checkpoints go, or None to keep none.
        resume: go on from the last checkpoint there.
        each_epoch: is told the epoch and its validation loss; may raise to stop.

    Raises:
        TrainingError: if there is nothing to resume, or it was another run.
    """
    seed_everything(config)
    network = build(config)
    network.initialise()
    model, state = Normalised(network, statistics), State()
    optimiser = optimiser_of(config, network)
    best = {name: value.clone() for name, value in network.state_dict().items()}
    if resume:
        state, best = _resume(config, network, optimiser, _needed(folder))
    elif folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        config.save(folder / CONFIG)
        (folder / STATISTICS).write_text(json.dumps(asdict(statistics)))
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
            _save(folder, network, optimiser, best, state)
        each_epoch(state.epoch, validation_loss)
    network.load_state_dict(best)
    return model.eval(), state


@torch.no_grad()
def measure(
    model: nn.Module, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], part: Tensors
) -> tuple[float, float]:
    """Return loss and accuracy over a part."""
    model.eval()
    logits = torch.cat([model(images) for images in torch.split(part[0], 500)])
    return float(loss(logits, part[1])), float((logits.argmax(dim=1) == part[1]).float().mean())


def load_best(folder: Path) -> tuple[Config, Normalised, State]:
    """Return a finished run's best network.

    Raises:
        TrainingError: if the run is not there.
    """
    if not (folder / BEST).is_file():
        raise TrainingError(f"no trained model lies in {folder}: run `python -m training fit` first")
    config = Config.load(folder / CONFIG)
    network = build(config)
    network.load_state_dict(load_file(folder / BEST))
    statistics = Statistics(**json.loads((folder / STATISTICS).read_text()))
    return config, Normalised(network, statistics).eval(), State(**json.loads((folder / STATE).read_text()))


def _train_epoch(
    config: Config,
    model: Normalised,
    optimiser: torch.optim.Optimizer,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    train: Tensors,
    state: State,
    progress: bool,
) -> None:
    # An order of its own for each epoch, from the seed alone: a resumed run sees what an unbroken one would.
    generator = torch.Generator().manual_seed(config.seed * 100_003 + state.epoch)
    order = torch.randperm(len(train[0]), generator=generator)
    _set_rate(optimiser, config, state.epoch)
    model.train()
    total = correct = seen = 0.0
    batches = torch.split(order, config.batch)
    bar = tqdm(
        batches, desc=f"epoch {state.epoch + 1}/{config.epochs}", disable=not progress, leave=False, unit="batch"
    )
    for number, places in enumerate(bar):
        images, labels = varied(train[0][places], generator), train[1][places]
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
    state.history.append({"epoch": state.epoch + 1, "train_loss": total / seen, "train_accuracy": correct / seen})


def _set_rate(optimiser: torch.optim.Optimizer, config: Config, epoch: int) -> None:
    """Let α fall along half a cosine (Loshchilov and Hutter 2017); it follows from the epoch, so resuming keeps it."""
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))


def varied(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, scale and move every image a little, as hands do (Simard et al. 2003): few images become many.

    Up to 11 degrees, a tenth of the size, and two pixels.
    """
    turn, scale, right, down = (torch.rand(4, len(images), generator=generator) * 2 - 1).unbind()
    cosine, sine, size = torch.cos(turn * 0.2), torch.sin(turn * 0.2), 1 + 0.1 * scale
    rows = [torch.stack([cosine * size, -sine, right * 0.14], 1), torch.stack([sine, cosine * size, down * 0.14], 1)]
    grid = nn.functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def _save(
    folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, best: dict[str, torch.Tensor], state: State
) -> None:
    save_file(best, folder / BEST)
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for number, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": value for name, value in slots.items()}
    save_file(tensors, folder / LAST)
    (folder / STATE).write_text(json.dumps(asdict(state), indent=1))


def _resume(
    config: Config, network: nn.Module, optimiser: torch.optim.Optimizer, folder: Path
) -> tuple[State, dict[str, torch.Tensor]]:
    before = Config.load(folder / CONFIG)
    if asdict(before) | {"epochs": 0} != asdict(config) | {"epochs": 0}:
        raise TrainingError(f"the run in {folder} has other settings: resume it with those, or choose another --out")
    tensors = load_file(folder / LAST)
    network.load_state_dict({name[8:]: value for name, value in tensors.items() if name.startswith("network.")})
    document = optimiser.state_dict()
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, number, slot = name.split(".", 2)
            slots.setdefault(int(number), {})[slot] = value
    optimiser.load_state_dict(document | {"state": slots})
    state = State(**json.loads((folder / STATE).read_text()))
    state.finished = state.waited >= config.patience
    return state, load_file(folder / BEST)


def _needed(folder: Path | None) -> Path:
    if folder is None or not (folder / LAST).is_file():
        raise TrainingError("there is no run to resume: start it without --resume")
    return folder
