"""Progress of a run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class RunState:
    """Progress of a run; with the checkpoint, enough to continue it.

    Attributes:
        epoch: completed epochs.
        best_loss: lowest validation loss so far.
        waited: epochs since then.
        finished: whether the run is complete.
        history: for each epoch its number, its learning rate, and loss and accuracy on the train and validation parts.
    """

    epoch: int = 0
    best_loss: float = float("inf")
    waited: int = 0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


def epoch_line(state: RunState, epochs: int) -> str:
    """Return one line about the last completed epoch.

    Args:
        state: after the epoch.
        epochs: greatest number of epochs.
    """
    last = state.history[-1]
    better = ", best so far" if state.waited == 0 else ""
    return (
        f"epoch {state.epoch}/{epochs}: loss {last['train_loss']:.4f}, accuracy {last['train_accuracy']:.4f}; "
        f"validation loss {last['validation_loss']:.4f}, accuracy {last['validation_accuracy']:.4f}{better}"
    )
