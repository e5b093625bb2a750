"""The command `bento-governance adopt`."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np

from governance.cli.options import PATH
from governance.errors import ConfigurationError
from training.adopt.adopt import TOLERANCE, adopt
from training.adopt.folder import read_model
from training.adopt.model import Tensors
from training.config import TrainingError

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@click.command(name="adopt")
@click.argument("source")
@click.argument("folder", type=PATH)
@click.option("--name", help="Name of the model. Default: the name of FOLDER.")
@click.option("--examples", type=PATH, help="Inputs: .npy (one array) or .npz (by name), without pickled objects.")
@click.option("--class", "classes", multiple=True, help="Name of a class, in order. May be repeated.")
@click.option(
    "--tolerance", type=click.FloatRange(0, 1), default=TOLERANCE, show_default=True,
    help="Greatest difference of an answer before and after, relative to 1 or to the answer if that is larger.",
)  # fmt: skip
def command(
    source: str, folder: Path, name: str | None, examples: Path | None, classes: tuple[str, ...], tolerance: float
) -> None:
    """Convert the model SOURCE to ONNX, compare its answers, and write it with card and profile into FOLDER.

    SOURCE is MODULE:FUNCTION of your own code that returns a model of scikit-learn, Keras, PyTorch, XGBoost or
    LightGBM, or a pair of it and examples; or a file: .onnx, .keras, .json and .ubj of XGBoost, .txt of LightGBM; or a
    folder that Hugging Face's exporters wrote. Files that can run code (pickle, joblib, .pt, .h5) are not opened.

    \b
    Examples:
      bento-governance adopt train:iris models/iris
      bento-governance adopt churn.ubj models/churn --examples rows.npy
    """
    try:
        model, given = _model_of(source), None if examples is None else _examples(examples)
        if isinstance(model, tuple) and len(model) == 2:
            model, own = model
            given = given if given is not None else own
        adopted = adopt(
            model, folder, name=name or folder.resolve().name, examples=given, classes=classes, tolerance=tolerance
        )
    except TrainingError as error:
        raise ConfigurationError(str(error)) from None
    compared = (
        f"{adopted.compared} answers differ by at most {adopted.difference:.1e}"
        if adopted.compared
        else "it came as ONNX, so there was nothing to compare"
    )
    click.echo(f"{folder}: {adopted.card['name']}, from {adopted.card['origin']}; {compared}")
    click.echo("  with a reference profile for drift" if adopted.has_profile else "  no profile: it needs 100 examples")


def _model_of(source: str) -> Any:
    """Return the model that a function makes or a file holds; the path itself of what is ONNX already."""
    if _FUNCTION.fullmatch(source) and not Path(source).exists():
        return _called(source)
    path = Path(source)
    return path if path.is_dir() or path.suffix.lower() == ".onnx" else read_model(path)


def _called(source: str) -> Any:
    module, _, name = source.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(import_module(module), name, None)
    except ImportError as error:
        raise TrainingError(f"cannot import {module}: {error}") from None
    finally:
        sys.path.remove(str(Path.cwd()))
    if not callable(function):
        raise TrainingError(f"{module} has no function {name}")
    return function()


def _examples(file: Path) -> Tensors | Any:
    try:
        loaded = np.load(file, allow_pickle=False)
        return {name: loaded[name] for name in loaded.files} if hasattr(loaded, "files") else loaded
    except (OSError, ValueError) as error:
        raise TrainingError(f"cannot read the examples {file}: {error}") from None
