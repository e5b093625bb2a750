"""Models in files: safe formats are read, folders of exports are copied, and formats that run code are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from governance.artifacts.format.sources import GRAPH_FILE
from training.adopt.model import Converted, needed
from training.config import TrainingError

RUNS_CODE = frozenset(
    {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".ckpt", ".h5", ".hdf5", ".npy", ".npz", ".mar"}
)
# Files of a Hugging Face export that belong to the model: data only.
EXPORT_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt",
                "vocab.json", "merges.txt", "preprocessor_config.json", "generation_config.json")  # fmt: skip


def read_model(file: Path) -> Any:
    """Return the model in a file of a format that cannot run code.

    Raises:
        TrainingError: if the format is another one, or the file cannot be read; a format that runs code is not opened.
    """
    kind = file.suffix.lower()
    if kind in RUNS_CODE:
        raise TrainingError(
            f"{file}: a {kind} file can run code when it is read, so it is not opened here. Write a function that "
            "returns the model, and give MODULE:FUNCTION"
        )
    if not file.is_file():
        raise TrainingError(f"{file} does not exist")
    if kind == ".safetensors":
        raise TrainingError(f"{file} holds weights without their architecture: write a function that returns the model")
    reader = READERS.get(kind)
    if reader is None:
        raise TrainingError(f"{file}: no known format; known are .onnx, {', '.join(READERS)}, and MODULE:FUNCTION")
    try:
        return reader(file)
    except TrainingError:
        raise
    except Exception as error:
        raise TrainingError(f"cannot read {file}: {next(iter(str(error).splitlines()), '')[:200]}") from None


def copy_export(source: Path, target: Path) -> Converted:
    """Copy an ONNX file, or a folder that Hugging Face's exporters wrote, with its tokenizer and class names.

    Args:
        source: an `.onnx` file with its external data next to it, or a folder with `model.onnx` or `onnx/model.onnx`.
        target: the new folder.

    Raises:
        TrainingError: if there is no model.
    """
    from governance.cli.project.onnx_model import model_files

    graph = source if source.is_file() else _graph_in(source)
    for name, place in model_files(graph).items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place, target / name)
    classes: tuple[str, ...] = ()
    if source.is_dir():
        for name in EXPORT_FILES:
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)
        classes = _labels(source / "config.json")
    return Converted("onnx", None, classes)


def _graph_in(folder: Path) -> Path:
    for name in (GRAPH_FILE, f"onnx/{GRAPH_FILE}"):
        if (folder / name).is_file():
            return folder / name
    raise TrainingError(f"{folder} has no {GRAPH_FILE}: export the model first (optimum-cli export onnx)")


def _labels(file: Path) -> tuple[str, ...]:
    """Return the names of the classes in a `config.json`, by their number; none for default names like LABEL_0."""
    try:
        labels: dict[str, str] = json.loads(file.read_bytes())["id2label"]
        return tuple(str(labels[str(number)]) for number in range(len(labels)))
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def _keras(file: Path) -> Any:
    # In safe mode, a file with a Lambda layer, which is code, is refused.
    return needed("keras").saving.load_model(file, compile=False, safe_mode=True)


def _xgboost(file: Path) -> Any:
    booster = needed("xgboost").Booster()
    booster.load_model(file)
    return booster


def _lightgbm(file: Path) -> Any:
    return needed("lightgbm").Booster(model_file=str(file))


READERS: Mapping[str, Callable[[Path], Any]] = MappingProxyType(
    {".keras": _keras, ".json": _xgboost, ".ubj": _xgboost, ".txt": _lightgbm}
)
