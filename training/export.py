"""Export: ONNX with a dynamic batch, held to the torch model, with its card and its reference profile."""

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
from training.data import Split
from training.fit import Normalised

PARITY, PARITY_INPUTS = 1e-5, 200
OPSET = 17


class Served(torch.nn.Module):
    """What is exported: pixels in 0 to 1 go in, probabilities come out."""

    def __init__(self, model: Normalised) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        probabilities: torch.Tensor = self.model(images).softmax(dim=1)
        return probabilities


def export(
    folder: Path, config: Config, model: Normalised, split: Split, scores: dict[str, Any], created: datetime
) -> float:
    """Write `model.onnx`, `card.json` and `profile.json`, and return the greatest difference to torch.

    Raises:
        TrainingError: if ONNX Runtime and torch differ by more than 1e-5 on 200 inputs; nothing is written then.
    """
    served = Served(model).eval()
    graph = to_onnx(served)
    parity = verify_parity(graph, served, _images(split.test.images[:PARITY_INPUTS]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph)
    told = card(config, model, split, scores, parity, created)
    _write(folder / "card.json", told)
    (folder / "profile.json").write_bytes(profile(graph, told, split.validation.images))
    return parity


def to_onnx(served: Served) -> bytes:
    """Return the graph: `image` FP32 [batch, 1, 28, 28] to `probabilities` FP32 [batch, 10]."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The TorchScript exporter is the one that needs no further package; it says that there is a newer one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served,
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


def verify_parity(graph: bytes, served: Served, images: NDArray[np.float32]) -> float:
    """Return the greatest difference between ONNX Runtime and torch.

    Raises:
        TrainingError: if it is over 1e-5.
    """
    ours = run(graph, images)
    with torch.no_grad():
        theirs = served(torch.from_numpy(images)).numpy()
    difference = float(np.abs(ours - theirs).max())
    if not difference <= PARITY:
        raise TrainingError(f"the exported model differs from torch by {difference:.2e}, and {PARITY:.0e} is the limit")
    return difference


def run(graph: bytes, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run the graph in ONNX Runtime.

    Raises:
        TrainingError: if ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise TrainingError("the export is held to ONNX Runtime: pip install 'bento-governance[cpu]'") from None
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    probabilities: NDArray[np.float32] = session.run(["probabilities"], {"image": images})[0]
    return probabilities


def card(
    config: Config, model: Normalised, split: Split, scores: dict[str, Any], parity: float, created: datetime
) -> dict[str, Any]:
    """Return what a reader must know of the model: where it comes from, how good it is, how to call it."""
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


def profile(graph: bytes, card: dict[str, Any], images: NDArray[np.uint8]) -> bytes:
    """Return how inputs and answers are distributed on the validation part: what drift is measured against.

    Serving measures by the same code, so that what differs is the data.
    """
    pixels = _images(images)
    return learn(card, {"image": pixels}, {"probabilities": run(graph, pixels)}).encode()


def renew_profile(folder: Path, split: Split) -> bool:
    """Make the profile of an exported model anew if it is of another version; return whether it was.

    Raises:
        TrainingError: if the folder holds no exported model.
    """
    try:
        SignedProfile.parse((folder / "profile.json").read_bytes())
        return False
    except (OSError, ManifestMismatchError):
        pass
    try:
        graph, told = (folder / "model.onnx").read_bytes(), json.loads((folder / "card.json").read_text())
    except (OSError, ValueError):
        raise TrainingError(f"{folder} holds no exported model: run `python -m training export` first") from None
    # Whole or not at all: somebody may be sealing the folder.
    fresh = folder.parent / f".{folder.name}-profile.json"
    fresh.write_bytes(profile(graph, told, split.validation.images))
    fresh.replace(folder / "profile.json")
    return True


def _images(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = images.astype(np.float32)[:, np.newaxis] / np.float32(255)
    return pixels


def _write(file: Path, document: dict[str, Any]) -> None:
    file.write_text(json.dumps(document, indent=2) + "\n")
