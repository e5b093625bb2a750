"""A bare BentoML service over the same model: one JSON API, nothing in front of it."""

from __future__ import annotations

import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(name="bare")
class Bare:
    """The model behind BentoML's own JSON route."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    @bentoml.api
    def classify(self, image: list) -> list:  # type: ignore[type-arg]
        """Take [1, 1, 28, 28] nested lists, give [1, 10]."""
        array = np.array(image, dtype=np.float32)
        answer: list[list[float]] = self.session.run(["probabilities"], {"image": array})[0].tolist()
        return answer
