"""The folder of a run: what the run was made of, so that it can be repeated and compared."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from training.config import TrainingError
from training.data.digits import Split

BEST, LAST, STATE = "best.safetensors", "last.safetensors", "state.json"
DATA, ENVIRONMENT, LOG, CURVES = "data.json", "environment.json", "run.log", "curves.png"
# The packages that change what a run computes.
PACKAGES = ("bento-governance", "torch", "numpy", "scikit-learn", "mlxtend", "onnx", "onnxruntime", "pillow")


def verify_new(folder: Path) -> None:
    """Check that a folder has no run, which a new one would overwrite.

    Args:
        folder: of the new run.

    Raises:
        TrainingError: if it has one.
    """
    if (folder / LAST).is_file():
        raise TrainingError(
            f"there is a run in {folder}, which is not overwritten: continue it with --resume, or choose another --out"
        )


def verify_started(folder: Path | None) -> Path:
    """Return a folder that has a run to resume.

    Args:
        folder: of the run.

    Raises:
        TrainingError: if it has none.
    """
    if folder is None or not (folder / LAST).is_file():
        raise TrainingError("there is no run to resume: start one without --resume")
    return folder


def record_run(folder: Path, split: Split, threads: int) -> None:
    """Write on which data and in which environment a run is made.

    Args:
        folder: of the run; it is created.
        split: the digits.
        threads: CPU threads of the run.

    Raises:
        TrainingError: if the folder has a run.
    """
    verify_new(folder)
    folder.mkdir(parents=True, exist_ok=True)
    parts = {name: len(getattr(split, name).labels) for name in ("train", "validation", "test")}
    _write(folder / DATA, {"source": split.source, "digest": split.digest, "parts": parts})
    _write(folder / ENVIRONMENT, environment(threads))
    write_log(folder, f"started on {split.source}, {split.digest}")


def record_resumption(folder: Path, split: Split, threads: int) -> None:
    """Note in the log that a run goes on, and whether this environment is another than that of its start.

    Args:
        folder: of the run.
        split: the digits.
        threads: CPU threads of the run.

    Raises:
        TrainingError: if the folder has no run, or the run has other data.
    """
    verify_data(verify_started(folder), split)
    same = read_document(folder / ENVIRONMENT) == environment(threads)
    write_log(folder, "resumed" if same else f"resumed in another environment: {json.dumps(environment(threads))}")


def verify_data(folder: Path, split: Split) -> None:
    """Check that digits are those of a run, as others would put images of its train part into the test.

    Args:
        folder: of the run.
        split: the digits.

    Raises:
        TrainingError: if they differ.
    """
    recorded = read_document(folder / DATA).get("digest")
    if recorded is not None and recorded != split.digest:
        raise TrainingError(f"the run in {folder} has other data: give the --data of its start, or another --out")


def environment(threads: int) -> dict[str, object]:
    """Return what a repetition of a run needs, besides configuration and data: versions, machine and threads.

    Args:
        threads: CPU threads of the run.
    """
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "threads": threads,
        "packages": {name: _version(name) for name in PACKAGES},
    }


def write_log(folder: Path | None, text: str) -> None:
    """Append a line to the log of a run.

    Args:
        folder: of the run; None for a run without a folder.
        text: one line.
    """
    if folder is not None:
        with (folder / LOG).open("a") as stream:
            stream.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")


def read_document(file: Path) -> dict[str, object]:
    """Return a JSON document of a run; one that is missing is empty.

    Raises:
        TrainingError: if it is damaged.
    """
    try:
        document = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        document = None
    if not isinstance(document, dict):
        raise TrainingError(f"{file} is damaged: choose another --out, or remove the folder of the run")
    return document


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _write(file: Path, document: dict[str, object]) -> None:
    file.write_text(json.dumps(document, indent=2) + "\n")
