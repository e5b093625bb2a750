"""Exports a digit model to ONNX with its card and its reference profile, after comparing it with torch."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from governance.drift.learning import learn
from governance.drift.profile import SignedProfile
from governance.errors import ManifestMismatchError
from training.config import CLASSES, Config, TrainingError
from training.data.digits import Split
from training.fit import Normalised

# Largest allowed difference of a probability between ONNX Runtime and torch, and the number of test images compared.
PARITY, PARITY_INPUTS = 1e-5, 200
# Version of the ONNX operators.
OPSET = 17


class ProbabilityModel(torch.nn.Module):
    """What is exported: maps pixels from 0 to 1 to the probabilities of the ten classes.

    Args:
        model: a trained network with its normalisation.
    """

    def __init__(self, model: Normalised) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return probabilities [n, 10].

        Args:
            images: float32 [n, 1, 28, 28] from 0 to 1.
        """
        probabilities: torch.Tensor = self.model(images).softmax(dim=1)
        return probabilities


def export(
    folder: Path, config: Config, model: Normalised, split: Split, scores: dict[str, Any], created: datetime
) -> float:
    """Write `model.onnx`, `card.json` and `profile.json`, and return the greatest difference to torch.

    Args:
        folder: where to write; it is created, and existing files are replaced.
        config: of the run, for the card.
        model: the trained network.
        split: the digits; the test part for the comparison, the validation part for the profile.
        scores: of `evaluate.score`, for the card.
        created: time for the card, in UTC.

    Raises:
        TrainingError: if ONNX Runtime and torch differ by more than 1e-5 on 200 images; nothing is written.
    """
    exported = ProbabilityModel(model).eval()
    graph = to_onnx(exported)
    parity = verify_parity(graph, exported, _pixels(split.test.images[:PARITY_INPUTS]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph)
    card = make_card(config, model, split, scores, parity, created)
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    (folder / "profile.json").write_bytes(make_profile(graph, card, split.validation.images))
    return parity


def to_onnx(model: ProbabilityModel) -> bytes:
    """Return the graph, a serialized ModelProto: `image` FP32 [n, 1, 28, 28] to `probabilities` FP32 [n, 10]."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The TorchScript exporter needs no further package; it warns that there is a newer one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(2, 1, 28, 28),),
            buffer,  # type: ignore[arg-type]
            input_names=["image"],
            output_names=["probabilities"],
            dynamic_axes={"image": {0: "batch"}, "probabilities": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    graph = buffer.getvalue()
    onnx.checker.check_model(onnx.load_model_from_string(graph))
    return graph


def verify_parity(graph: bytes, model: ProbabilityModel, images: NDArray[np.float32]) -> float:
    """Return the greatest difference of a probability between ONNX Runtime and torch.

    Args:
        graph: a serialized ModelProto.
        model: what was exported.
        images: float32 [n, 1, 28, 28] from 0 to 1.

    Raises:
        TrainingError: if the difference is above 1e-5, or not a number.
    """
    from_graph = run(graph, images)
    with torch.no_grad():
        from_torch = model(torch.from_numpy(images)).numpy()
    difference = float(np.abs(from_graph - from_torch).max())
    # Written so that NaN is refused, too.
    if not difference <= PARITY:
        raise TrainingError(f"the exported model differs from torch by {difference:.2e}; {PARITY:.0e} is the limit")
    return difference


def run(graph: bytes, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what ONNX Runtime computes, probabilities [n, 10].

    Args:
        graph: a serialized ModelProto.
        images: float32 [n, 1, 28, 28] from 0 to 1.

    Raises:
        TrainingError: if ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise TrainingError("the export needs ONNX Runtime: pip install 'bento-governance[cpu]'") from None
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    probabilities: NDArray[np.float32] = session.run(["probabilities"], {"image": images})[0]
    return probabilities


def make_card(
    config: Config, model: Normalised, split: Split, scores: dict[str, Any], parity: float, created: datetime
) -> dict[str, Any]:
    """Return the card, a JSON document: origin, data, configuration, scores, inputs and outputs.

    Args:
        config: of the run.
        model: the trained network.
        split: the digits.
        scores: of `evaluate.score`.
        parity: greatest difference between ONNX Runtime and torch.
        created: in UTC.
    """
    return {
        "name": config.name,
        "task": "classification of handwritten digits",
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "intended_purposes": ["demonstration"],
        "data_classification": "public",
        "data": {
            "source": split.source,
            "digest": split.digest,
            "split": {name: len(getattr(split, name).labels) for name in ("train", "validation", "test")},
            "seed": config.seed,
        },
        "config": asdict(config),
        "preprocessing": {"in_graph": True, **asdict(model.statistics), "input": "pixel / 255, ink is 1"},
        "scores": scores,
        "parity": {"inputs": PARITY_INPUTS, "greatest_difference": parity},
        "versions": {"torch": torch.__version__, "onnx": onnx.__version__, "opset": str(OPSET)},
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
        "classes": list(CLASSES),
    }


def make_profile(graph: bytes, card: dict[str, Any], images: NDArray[np.uint8]) -> bytes:
    """Return the reference profile: distributions of inputs and answers, with which serving compares recent data.

    It is measured by `governance.drift`, the code of serving, so a difference is in the data and not in the method.

    Args:
        graph: a serialized ModelProto.
        card: names inputs, outputs and classes.
        images: uint8 [n, 28, 28], of the validation part.
    """
    pixels = _pixels(images)
    return learn(card, {"image": pixels}, {"probabilities": run(graph, pixels)}).encode()


def renew_profile(folder: Path, split: Split) -> bool:
    """Replace the profile of an exported model if this version cannot read it; return whether it was replaced.

    Args:
        folder: folder of the export.
        split: the digits, of which the validation part is measured.

    Raises:
        TrainingError: if the folder has no exported model.
    """
    try:
        SignedProfile.parse((folder / "profile.json").read_bytes())
        return False
    except (OSError, ManifestMismatchError):
        pass
    try:
        graph, card = (folder / "model.onnx").read_bytes(), json.loads((folder / "card.json").read_text())
    except (OSError, ValueError):
        raise TrainingError(f"{folder} has no exported model: run `python -m training export` first") from None
    # Replaced in one step, because another process may be sealing the folder.
    fresh = folder.parent / f".{folder.name}-profile.json"
    fresh.write_bytes(make_profile(graph, card, split.validation.images))
    fresh.replace(folder / "profile.json")
    return True


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = images.astype(np.float32)[:, np.newaxis] / np.float32(255)
    return pixels
