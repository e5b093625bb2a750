"""The two digit models for every peer: ONNX Runtime sessions of one thread, by name; environment variable MODELS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import onnxruntime

NAMES = ("digits-cnn", "digits-rnn")
SHAPE, PIXEL_BYTES = (1, 28, 28), 28 * 28 * 4


def open_sessions() -> dict[str, Any]:
    """Open `MODELS/NAME/export/model.onnx` of each name on one thread of the CPU, as the governed service does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    folder = Path(os.environ["MODELS"])
    return {
        name: onnxruntime.InferenceSession(
            folder / name / "export/model.onnx", options, providers=["CPUExecutionProvider"]
        )
        for name in NAMES
    }
