"""Runs side by side: what differs in their making, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from training.config import CONFIG, Config, TrainingError
from training.runs.folder import DATA, ENVIRONMENT, read_document

Rows = list[tuple[str, list[str]]]


def compare(folders: Sequence[Path]) -> Rows:
    """Return a table with a column for each run: results, and the settings, data and versions that differ.

    Args:
        folders: of the runs.

    Raises:
        TrainingError: if a folder has no run.
    """
    runs = [_facts(folder) for folder in folders]
    names = list(dict.fromkeys(name for run in runs for name in run))
    rows = [(name, [run.get(name, "-") for run in runs]) for name in names]
    return [(name, values) for name, values in rows if name.startswith("result: ") or len(set(values)) > 1]


def render(folders: Sequence[Path], rows: Rows) -> str:
    """Return the table as lines of text.

    Args:
        folders: of the runs, for the first line.
        rows: of `compare`.
    """
    lines = [["", *map(str, folders)], *([name, *values] for name, values in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(n) for cell, n in zip(line, widths, strict=True)).rstrip() for line in lines)


def _facts(folder: Path) -> dict[str, str]:
    state = read_document(folder / "state.json")
    history = state.get("history")
    if not isinstance(history, list) or not history:
        raise TrainingError(f"{folder} has no run with a completed epoch: name the folder of a run")
    best = min(history, key=lambda epoch: float(epoch["validation_loss"]))
    scores, data = read_document(folder / "evaluation.json"), read_document(folder / DATA)
    facts = {
        "result: best epoch": f"{best['epoch']:.0f} of {state['epoch']}{'' if state['finished'] else ', not finished'}",
        "result: validation loss": f"{best['validation_loss']:.4f}",
        "result: validation accuracy": f"{best['validation_accuracy']:.4f}",
    }
    facts |= {
        f"result: test {name}": f"{scores[name]:.4f}"
        for name in ("accuracy", "f1", "calibration_error")
        if name in scores
    }
    facts |= {f"config: {name}": str(value) for name, value in asdict(Config.load(folder / CONFIG)).items()}
    facts["data"] = f"{data.get('source', '-')} {str(data.get('digest', ''))[:19]}"
    packages = read_document(folder / ENVIRONMENT).get("packages")
    return facts | {
        f"version: {name}": str(value) for name, value in (packages if isinstance(packages, dict) else {}).items()
    }
