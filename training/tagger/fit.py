"""The training loop of the tagger: a fixed number of epochs; the weights with the best validation score are kept."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.config import TrainingError
from training.tagger.corpus.labelled import UNSURE, LabelledText
from training.tagger.corpus.mixture import RealText, mixed_texts, mixed_validation
from training.tagger.model import ENTITIES, TAGS, TaggerNetwork, encode, split_words
from training.tagger.scores import MAX_WORDS, evaluate

# The words of a text, and the number of each word's tag.
Example = tuple[list[str], list[int]]
# What was measured after an epoch: epoch, seed, texts, loss, precision, recall, f2.
EpochRecord = dict[str, float]

# The loss ignores places behind the end of a text.
_IGNORED = -100
# Examples are sorted by length within pools of this many batches.
_POOL_BATCHES = 50


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Options of one run.

    Attributes:
        texts: number of texts to train on.
        epochs: how often all texts are read.
        batch: texts in a batch.
        rate: highest learning rate; it rises during the first tenth of the run and falls for the rest.
        seed: of the texts, the weights and the order; another seed gives other texts.
        threads: CPU threads of torch.
    """

    texts: int = 120_000
    epochs: int = 6
    batch: int = 64
    rate: float = 0.004
    seed: int = 7
    threads: int = 2


def fit(
    options: FitOptions, checkpoint: Path | None = None, *, resume: bool = False, real: RealText | None = None
) -> tuple[TaggerNetwork, list[EpochRecord]]:
    """Train a network on generated texts, and return it with a record of each epoch.

    Args:
        options: of this run.
        checkpoint: file for the best weights so far, written after each epoch that is better than those before; None
            writes nothing.
        real: real text to train on as well, and to validate on; None for generated texts alone.
        resume: start from the weights in `checkpoint`, whose records come first in the history.

    Raises:
        TrainingError: if there is no checkpoint to resume from.
    """
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    chance = random.Random(options.seed)
    examples = [make_example(item) for item in mixed_texts(options.texts, options.seed, real)]
    validation = mixed_validation(options.seed, real)
    network, history = load_checkpoint(checkpoint) if resume and checkpoint is not None else (TaggerNetwork(), [])
    steps = _Steps(network, options.rate, options.epochs * math.ceil(len(examples) / options.batch))
    best = _BestWeights(network, checkpoint)
    before = len(history)
    for epoch in range(1, options.epochs + 1):
        chance.shuffle(examples)
        batches = make_batches(examples, options.batch, chance)
        loss = _train_epoch(steps, batches, f"epoch {epoch}/{options.epochs}")
        scores = evaluate(network, validation)
        history.append({"epoch": before + epoch, "seed": options.seed, "texts": options.texts, "loss": loss, **scores})
        _report(epoch, history[-1])
        best.update(scores["f2"], history)
    network.load_state_dict(best.weights)
    return network.eval(), history


def load_checkpoint(checkpoint: Path) -> tuple[TaggerNetwork, list[EpochRecord]]:
    """Return the best network of the last run, and the records of its epochs.

    Raises:
        TrainingError: if there is no such file.
    """
    try:
        content = torch.load(checkpoint, weights_only=True)
    except OSError:
        raise TrainingError(f"there are no weights in {checkpoint}: train first, without --again") from None
    network = TaggerNetwork()
    network.load_state_dict(content["weights"])
    return network.eval(), content["history"]


def make_example(item: LabelledText) -> Example:
    """Return the words of a text and the numbers of their tags, at most MAX_WORDS of each.

    A word has the tag of the span that contains all of it; the first such word of a span has the tag B, others I.

    Example:
        "Ask Ada Byron." with the span (PERSON, 4, 13) has the tags O, B-PERSON, I-PERSON, O.
    """
    words, tags, begun = split_words(item.text), [], set()
    spans = [span for span in item.spans if span[0] in ENTITIES or span[0] == UNSURE]
    for start, end in zip(words.starts, words.ends, strict=True):
        span = next((span for span in spans if span[1] <= start and end <= span[2]), None)
        tag = "O" if span is None else f"{'I' if span in begun else 'B'}-{span[0]}"
        begun.add(span)
        tags.append(_IGNORED if tag.endswith(UNSURE) else TAGS.index(tag))
    return words.words[:MAX_WORDS], tags[:MAX_WORDS]


def make_batches(examples: Sequence[Example], size: int, chance: random.Random) -> list[list[Example]]:
    """Return batches of examples of similar length, in random order, so that little of a batch is padding."""
    pool_size = _POOL_BATCHES * size
    pools = [
        sorted(examples[start : start + pool_size], key=lambda example: len(example[0]))
        for start in range(0, len(examples), pool_size)
    ]
    batches = [pool[start : start + size] for pool in pools for start in range(0, len(pool), size)]
    chance.shuffle(batches)
    return batches


class _Steps:
    """Network, optimiser and learning-rate schedule: everything that one training step changes."""

    def __init__(self, network: TaggerNetwork, rate: float, count: int) -> None:
        self.network = network
        self._loss_of = nn.CrossEntropyLoss(ignore_index=_IGNORED)
        self._optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, max_lr=rate, total_steps=count, pct_start=0.1
        )

    def step(self, batch: Sequence[Example]) -> float:
        """Train on one batch, and return its loss before the step."""
        characters, positions = encode([words for words, _ in batch])
        logits = self.network(torch.from_numpy(characters), torch.from_numpy(positions))
        loss: Tensor = self._loss_of(logits.reshape(-1, len(TAGS)), _padded_tags(batch, positions.shape).reshape(-1))
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self._schedule.step()
        return float(loss.detach())


class _BestWeights:
    """The weights with the highest score so far, in memory and in the checkpoint."""

    def __init__(self, network: TaggerNetwork, checkpoint: Path | None) -> None:
        self._network, self._checkpoint, self._score = network, checkpoint, -1.0
        self.weights = copy.deepcopy(network.state_dict())

    def update(self, score: float, history: Sequence[EpochRecord]) -> None:
        """Keep the network's weights if `score` is the highest so far."""
        if score <= self._score:
            return
        self._score, self.weights = score, copy.deepcopy(self._network.state_dict())
        if self._checkpoint is not None:
            torch.save({"weights": self.weights, "history": list(history)}, self._checkpoint)


def _train_epoch(steps: _Steps, batches: Sequence[Sequence[Example]], title: str) -> float:
    """Train on all batches once, and return the mean loss."""
    steps.network.train()
    total = 0.0
    bar = tqdm(batches, desc=title, leave=False)
    for batch in bar:
        loss = steps.step(batch)
        total += loss
        bar.set_postfix(loss=f"{loss:.4f}")
    return total / len(batches)


def _padded_tags(batch: Sequence[Example], shape: tuple[int, ...]) -> Tensor:
    """Return the tags of a batch, [texts, words], with _IGNORED behind the end of a text."""
    padded = np.full(shape, _IGNORED, np.int64)
    for row, (_, tags) in enumerate(batch):
        padded[row, : len(tags)] = tags
    return torch.from_numpy(padded)


def _report(epoch: int, record: EpochRecord) -> None:
    scores = ", ".join(f"{name} {record[name]:.4f}" for name in ("f2", "precision", "recall"))
    tqdm.write(f"epoch {epoch}: loss {record['loss']:.4f}, validation {scores}")
