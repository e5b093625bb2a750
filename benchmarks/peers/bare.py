"""A BentoML service with the same model and one JSON API, without governance."""

from __future__ import annotations

import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(name="bare")
class Bare:
    """Serves the model at BentoML's own JSON route."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    @bentoml.api
    def classify(self, image: list) -> list:  # type: ignore[type-arg]
        """Return probabilities of shape [1, 10] for an image of shape [1, 1, 28, 28], both as nested lists."""
        array = np.array(image, dtype=np.float32)
        answer: list[list[float]] = self.session.run(["probabilities"], {"image": array})[0].tolist()
        return answer
