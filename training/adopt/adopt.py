"""The whole of adopting: convert, compare the answers, write card and profile; nothing is written if they differ."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from governance.artifacts.format.sources import CARD_FILE, GRAPH_FILE, PROFILE_FILE
from governance.cli.project.onnx_model import write_card
from governance.drift.learning import LEAST_ITEMS, learn
from governance.errors import ConfigurationError
from training.adopt.folder import copy_export
from training.adopt.frameworks import converter_of
from training.adopt.model import Array, Converted, Tensors
from training.config import TrainingError

# Largest difference of a number, relative to 1 or to the number itself if that is larger.
TOLERANCE = 1e-4
_NUMPY_OF = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was written.

    Attributes:
        folder: with `model.onnx`, `card.json` and, with enough examples, `profile.json`.
        card: content of the card.
        compared: number of examples whose answers were compared; 0 for a model that came as ONNX.
        difference: greatest difference of an answer.
        has_profile: whether there were examples enough for a profile.
    """

    folder: Path
    card: Mapping[str, Any]
    compared: int
    difference: float
    has_profile: bool


def adopt(
    model: object,
    folder: Path | str,
    *,
    name: str,
    examples: Array | Tensors | None = None,
    classes: Sequence[str] = (),
    tolerance: float = TOLERANCE,
) -> Adopted:
    """Convert a model to ONNX, compare its answers before and after, and write it with its card and profile.

    Example:
        `adopt(LogisticRegression().fit(x, y), "models/iris", name="iris", examples=x)`

    Args:
        model: a fitted model of scikit-learn, Keras, PyTorch, XGBoost or LightGBM; or the path of an ONNX file or of a
            folder that was exported.
        folder: to write; an existing one is replaced when everything has succeeded.
        name: the model's name.
        examples: inputs, the batch first, as an array or by name; from 100 on, a reference profile is made of them. Not
            needed for a model that is ONNX already.
        classes: names of the classes; by default the model's own.
        tolerance: greatest difference of an answer, relative to 1 or to the answer if that is larger.

    Raises:
        TrainingError: if the model cannot be converted, or answers differently afterwards; nothing is written.
        GovernanceError: if a server would refuse the model.
    """
    target, given = Path(folder), _named(examples)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        if isinstance(model, str | Path):
            converted = copy_export(Path(model), new)
        else:
            if not given:
                raise TrainingError("examples are needed, so that answers can be compared")
            converted = converter_of(model)(model, given, new / GRAPH_FILE)
        adopted = _written(new, target, name, converted, given, tuple(classes), tolerance)
        if target.exists():
            shutil.rmtree(target)
        new.chmod(0o755)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return adopted


def _written(
    new: Path, target: Path, name: str, converted: Converted, given: Tensors, classes: tuple[str, ...], tolerance: float
) -> Adopted:
    known = classes or converted.classes
    draft: dict[str, Any] = {"name": name, "origin": converted.framework, **({"classes": list(known)} if known else {})}
    (new / CARD_FILE).write_text(json.dumps(draft), encoding="utf-8")
    # The graph is scanned here, before it runs.
    card, _ = write_card(new, name)
    if not given:
        return Adopted(target, card, 0, 0.0, has_profile=False)
    items = len(next(iter(given.values())))
    outputs, difference = _compared(new / GRAPH_FILE, converted, given, tolerance)
    compared = items if converted.expected is not None else 0
    if compared:
        card["parity"] = {"items": compared, "greatest_difference": difference}
        (new / CARD_FILE).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    has_profile = items >= LEAST_ITEMS and _write_profile(new, card, given, outputs)
    return Adopted(target, card, compared, difference, has_profile)


def _write_profile(new: Path, card: Mapping[str, Any], given: Tensors, outputs: Tensors) -> bool:
    inputs = {spec["name"]: array for spec, array in zip(card["inputs"], given.values(), strict=True)}
    try:
        content = learn(card, inputs, outputs).encode()
    except ConfigurationError:
        # Nothing of it can be measured, for example texts only.
        return False
    (new / PROFILE_FILE).write_bytes(content)
    return True


def _compared(file: Path, converted: Converted, given: Tensors, tolerance: float) -> tuple[dict[str, Array], float]:
    """Return the graph's answers and their greatest difference to the framework's.

    Raises:
        TrainingError: if they differ by more than the tolerance.
    """
    outputs = _run(file, given)
    if converted.expected is None:
        return outputs, 0.0
    before = converted.expected(given)
    if len(before) != len(outputs):
        raise TrainingError(f"the graph has {len(outputs)} outputs, and the model {len(before)}")
    worst = max(_difference(name, one, two) for (name, one), two in zip(outputs.items(), before, strict=True))
    # Written so that NaN is refused, too.
    if not worst <= tolerance:
        raise TrainingError(
            f"the converted model answers differently: by {worst:.2e}, and {tolerance:.0e} is the limit; "
            "nothing is written"
        )
    return outputs, worst


def _difference(name: str, after: Array, before: Array) -> float:
    """Return the greatest difference, relative to 1 or to the answer if that is larger; labels differ by infinity."""
    if after.shape != before.shape and after.size != before.size:
        raise TrainingError(f"'{name}' has the shape {after.shape}, and the model's answer {before.shape}")
    before = before.reshape(after.shape)
    if not (np.issubdtype(after.dtype, np.number) and np.issubdtype(before.dtype, np.number)):
        return (
            0.0 if list(map(str, after.ravel().tolist())) == list(map(str, before.ravel().tolist())) else float("inf")
        )
    if after.size == 0:
        return 0.0
    wide = before.astype(np.float64)
    return float((np.abs(after.astype(np.float64) - wide) / np.maximum(1, np.abs(wide))).max())


def _run(file: Path, given: Tensors) -> dict[str, Array]:
    try:
        import onnxruntime
    except ImportError:
        raise TrainingError("comparing answers needs ONNX Runtime: pip install 'bento-governance[cpu]'") from None
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if len(inputs) != len(given):
        raise TrainingError(f"the graph has {len(inputs)} inputs, and the examples {len(given)}")
    feed = {
        spec.name: array.astype(_NUMPY_OF.get(spec.type, array.dtype))
        for spec, array in zip(inputs, given.values(), strict=True)
    }
    try:
        values = session.run(None, feed)
    except Exception as error:
        raise TrainingError(f"the converted model does not take the examples: {str(error)[:300]}") from None
    return dict(zip([spec.name for spec in session.get_outputs()], values, strict=True))


def _named(examples: Array | Tensors | None) -> Tensors:
    if examples is None:
        return {}
    found = dict(examples) if isinstance(examples, Mapping) else {"features": np.asarray(examples)}
    sizes = {len(array) for array in found.values()}
    if len(sizes) != 1 or min(sizes) < 1:
        raise TrainingError("examples need at least one item, and the same number in each array")
    return found
