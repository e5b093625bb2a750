"""Fits the tagger on generated text, and keeps the weights that do best on template groups that it has not seen."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from training.config import TrainingError
from training.tagger.generate import Labelled, generate
from training.tagger.mixed import mixed
from training.tagger.model import ENTITIES, TAGS, Tagger, encode, split

IGNORED = -100
MAX_WORDS = 96


def fit(
    texts: int = 120_000,
    epochs: int = 6,
    batch: int = 64,
    rate: float = 0.004,
    seed: int = 7,
    threads: int = 2,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> tuple[Tagger, list[dict[str, float]]]:
    """Return the fitted tagger, and the history of its epochs.

    Args:
        checkpoint: where the best weights so far are written after each epoch; None for nowhere.
        resume: go on from the checkpoint's weights, on texts of this seed.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    chance = random.Random(seed)
    training = [tagged(item) for item in mixed(texts, seed)]
    validation = validation_texts(seed)
    model, history = load(checkpoint) if resume and checkpoint is not None else (Tagger(), [])
    steps = epochs * math.ceil(len(training) / batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps, pct_start=0.1)
    loss_of = nn.CrossEntropyLoss(ignore_index=IGNORED)
    best, kept = -1.0, copy.deepcopy(model.state_dict())
    before = len(history)
    for epoch in range(1, epochs + 1):
        model.train()
        chance.shuffle(training)
        total = 0.0
        bar = tqdm(
            _batches(training, batch, chance),
            total=math.ceil(len(training) / batch),
            desc=f"epoch {epoch}/{epochs}",
            leave=False,
        )
        for chosen in bar:
            characters, positions = encode([words for words, _ in chosen])
            wanted = np.full(positions.shape, IGNORED, np.int64)
            for row, (_, tags) in enumerate(chosen):
                wanted[row, : len(tags)] = tags
            logits = model(torch.from_numpy(characters), torch.from_numpy(positions))
            loss = loss_of(logits.reshape(-1, len(TAGS)), torch.from_numpy(wanted).reshape(-1))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
            bar.set_postfix(loss=f"{float(loss.detach()):.4f}")
        scores = evaluate(model, validation)
        history.append(
            {
                "epoch": before + epoch,
                "seed": seed,
                "texts": texts,
                "loss": total / math.ceil(len(training) / batch),
                **scores,
            }
        )
        told = ", ".join(f"{name} {scores[name]:.4f}" for name in ("f2", "precision", "recall"))
        tqdm.write(f"epoch {epoch}: loss {history[-1]['loss']:.4f}, validation {told}")
        if scores["f2"] > best:
            best, kept = scores["f2"], copy.deepcopy(model.state_dict())
            if checkpoint is not None:
                torch.save({"weights": kept, "history": history}, checkpoint)
    model.load_state_dict(kept)
    return model.eval(), history


def validation_texts(seed: int) -> list[Labelled]:
    """Return texts of template groups and of registers' lines that training never sees."""
    return generate("validation", 1_500, seed) + mixed(1_500, seed, validation=True)


def tagged(item: Labelled) -> tuple[list[str], list[int]]:
    """Return the words of a text, and their tags' numbers."""
    words, tags, begun = split(item.text), [], set()
    spans = [span for span in item.spans if span[0] in ENTITIES]
    for start, end in zip(words.starts, words.ends, strict=True):
        span = next((span for span in spans if span[1] <= start and end <= span[2]), None)
        tag = "O" if span is None else f"{'I' if span in begun else 'B'}-{span[0]}"
        if span is not None:
            begun.add(span)
        tags.append(TAGS.index(tag))
    return words.words[:MAX_WORDS], tags[:MAX_WORDS]


def evaluate(model: Tagger, items: Sequence[Labelled]) -> dict[str, float]:
    """Return precision, recall and F2 over characters of the tagger's entities; entity and place must both be right."""
    counts = Counts()
    for item, tags in zip(items, predict(model, items), strict=True):
        words = split(item.text)
        found = {
            (place, TAGS[tag][2:])
            for tag, start, end in zip(tags, words.starts, words.ends, strict=False)
            if tag
            for place in range(start, end)
        }
        counts.add(item, found)
    return counts.scores()


class Counts:
    """Counts characters that were found, found wrongly, and missed."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = 0

    def add(self, item: Labelled, found: set[tuple[int, str]]) -> None:
        """Count one text's; `found` are places and entities."""
        blank = {place for place, character in enumerate(item.text) if character.isspace()}
        wanted = {pair for pair in _characters(item.spans) if pair[0] not in blank}
        found = {pair for pair in found if pair[0] not in blank}
        self.right += len(found & wanted)
        self.wrong += len(found - wanted)
        self.missed += len(wanted - found)

    def scores(self) -> dict[str, float]:
        """Return precision, recall and F2."""
        precision = self.right / max(self.right + self.wrong, 1)
        recall = self.right / max(self.right + self.missed, 1)
        f2 = 5 * precision * recall / max(4 * precision + recall, 1e-9)
        return {"precision": precision, "recall": recall, "f2": f2}


def load(checkpoint: Path) -> tuple[Tagger, list[dict[str, float]]]:
    """Return the best weights of the last run, and its history.

    Raises:
        TrainingError: if there are none.
    """
    try:
        kept = torch.load(checkpoint, weights_only=True)
    except OSError:
        raise TrainingError(f"there are no weights in {checkpoint}: train first, without --again") from None
    model = Tagger()
    model.load_state_dict(kept["weights"])
    return model.eval(), kept["history"]


def predict(model: Tagger, items: Sequence[Labelled]) -> list[list[int]]:
    """Return the tags' numbers of each text's words."""
    model.eval()
    tags: list[list[int]] = []
    with torch.inference_mode():
        for start in range(0, len(items), 128):
            texts = [split(item.text).words[:MAX_WORDS] for item in items[start : start + 128]]
            characters, positions = encode(texts)
            best = model(torch.from_numpy(characters), torch.from_numpy(positions)).argmax(dim=-1).numpy()
            tags.extend(best[row, : len(words)].tolist() for row, words in enumerate(texts))
    return tags


def _characters(spans: Sequence[tuple[str, int, int]]) -> set[tuple[int, str]]:
    return {(place, entity) for entity, start, end in spans if entity in ENTITIES for place in range(start, end)}


def _batches(
    items: list[tuple[list[str], list[int]]], size: int, chance: random.Random
) -> list[list[tuple[list[str], list[int]]]]:
    """Put texts of about the same length together, in an order by chance."""
    pools = [
        sorted(items[start : start + 50 * size], key=lambda item: len(item[0]))
        for start in range(0, len(items), 50 * size)
    ]
    made = [pool[start : start + size] for pool in pools for start in range(0, len(pool), size)]
    chance.shuffle(made)
    return made
