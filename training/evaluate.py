"""Scores of a digit model on the test part, as a document and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import CLASSES
from training.data.digits import Images, Labels

# Bins of confidence for the calibration error.
BINS = 10

Probabilities = NDArray[np.float32]


def score(probabilities: Probabilities, labels: Labels) -> dict[str, Any]:
    """Return the scores for the card, as a JSON document.

    Accuracy; precision, recall and F1 of each class and their means over classes; calibration error; confusion matrix
    with true classes as rows.

    Args:
        probabilities: [n, 10], of each class.
        labels: [n], the true classes.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted = probabilities.argmax(axis=1)
    every = list(range(len(CLASSES)))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    return {
        "items": len(labels),
        "accuracy": float((predicted == labels).mean()),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float(f1.mean()),
        "calibration_error": calibration(probabilities, labels)[0],
        "classes": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "items": int(n)}
            for name, p, r, f, n in zip(CLASSES, precision, recall, f1, support, strict=True)
        },
        "confusion": confusion_matrix(labels, predicted, labels=every).tolist(),
    }


def calibration(probabilities: Probabilities, labels: Labels) -> tuple[float, list[tuple[float, float, int]]]:
    """Return the expected calibration error over ten bins of confidence (Guo et al. 2017), and the bins.

    Args:
        probabilities: [n, 10], of each class.
        labels: [n], the true classes.

    Returns:
        The error, from 0 to 1, and for each bin with items its mean confidence, its accuracy and its number of items.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = [
        (
            float(confidence[places == place].mean()),
            float(correct[places == place].mean()),
            int((places == place).sum()),
        )
        for place in range(BINS)
        if (places == place).any()
    ]
    return sum(abs(mean - accuracy) * count for mean, accuracy, count in bins) / len(labels), bins


def draw(file: Path, title: str, images: Images, probabilities: Probabilities, labels: Labels) -> None:
    """Draw the confusion matrix, the reliability curve, F1 by class, and the most confident mistakes.

    Args:
        file: PNG file to write.
        title: name of the model.
        images: uint8 [n, 28, 28].
        probabilities: [n, 10], of each class.
        labels: [n], the true classes.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    scores = score(probabilities, labels)
    figure = plt.figure(figsize=(13, 8.4), layout="constrained")
    figure.suptitle(
        f"{title}: {scores['accuracy']:.1%} of {len(labels)} test images correct", fontsize=15, weight="bold"
    )
    grid = figure.add_gridspec(2, 12, height_ratios=(2.6, 1))
    _draw_confusion(figure.add_subplot(grid[0, :6]), np.array(scores["confusion"]))
    _draw_reliability(figure.add_subplot(grid[0, 6:9]), probabilities, labels)
    _draw_f1(figure.add_subplot(grid[0, 9:]), scores)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    wrong = wrong[np.argsort(-probabilities[wrong].max(axis=1))][:12]
    for place, index in enumerate(wrong):
        axes = figure.add_subplot(grid[1, place])
        axes.imshow(images[index], cmap="gray_r")
        guess = int(probabilities[index].argmax())
        axes.set_title(f"{labels[index]} as {guess}\n{probabilities[index, guess]:.0%} sure", fontsize=9)
        axes.axis("off")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _draw_confusion(axes: Any, confusion: NDArray[np.int64]) -> None:
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*confusion.shape):
        if confusion[row, column]:
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, confusion[row, column], ha="center", va="center", color=color, fontsize=9)
    axes.set(title="Confusion", xlabel="predicted", ylabel="true", xticks=range(10), yticks=range(10))


def _draw_reliability(axes: Any, probabilities: Probabilities, labels: Labels) -> None:
    error, bins = calibration(probabilities, labels)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--", label="perfectly calibrated")
    axes.plot([b[0] for b in bins], [b[1] for b in bins], marker="o", color="#2457c5", label="this model")
    axes.set(title=f"Reliability (error {error:.3f})", xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", fontsize=9)


def _draw_f1(axes: Any, scores: dict[str, Any]) -> None:
    values = [scores["classes"][name]["f1"] for name in CLASSES]
    axes.barh(CLASSES, values, color="#1c7a45")
    for place, value in enumerate(values):
        axes.text(value - 0.002, place, f"{value:.3f}", ha="right", va="center", color="white", fontsize=9)
    axes.set(title="F1 by class", xlim=(min(0.85, *values) - 0.02, 1))
    axes.invert_yaxis()
