"""The course of a run as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.runs.state import RunState

TRAIN, VALIDATION = "#c5672a", "#2457c5"


def draw_curves(file: Path, title: str, state: RunState) -> None:
    """Draw loss, accuracy and learning rate by epoch; a dotted line marks the epoch whose weights are kept.

    Args:
        file: PNG file to write.
        title: name of the model.
        state: progress with at least one epoch.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    best = min(state.history, key=lambda epoch: epoch["validation_loss"])
    figure, (loss, accuracy, rate) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    figure.suptitle(
        f"{title}: best after epoch {best['epoch']:.0f} of {state.epoch}, "
        f"validation accuracy {best['validation_accuracy']:.1%}",
        fontsize=14,
        weight="bold",
    )
    _draw(loss, state, {"train_loss": TRAIN, "validation_loss": VALIDATION}, "Loss")
    loss.set_yscale("log")
    _draw(accuracy, state, {"train_accuracy": TRAIN, "validation_accuracy": VALIDATION}, "Accuracy")
    _draw(rate, state, {"rate": "#1c7a45"}, "Learning rate")
    for axes in (loss, accuracy, rate):
        axes.axvline(best["epoch"], color="grey", linestyle=":", linewidth=1.5)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _draw(axes: Any, state: RunState, series: dict[str, str], title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [epoch["epoch"] for epoch in state.history]
    for name, color in series.items():
        values = [epoch[name] for epoch in state.history]
        axes.plot(epochs, values, color=color, marker=".", label=name.split("_")[0])
    axes.set(title=title, xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if len(series) > 1:
        axes.legend()
