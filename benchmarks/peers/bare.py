"""A BentoML service with the same models, without governance: one JSON route and one of raw bytes."""

from __future__ import annotations

from typing import Annotated, Literal

import bentoml
import numpy as np
from bentoml.validators import ContentType

from benchmarks.peers.models import SHAPE, open_sessions

Name = Literal["digits-cnn", "digits-rnn"]


@bentoml.service(name="bare", metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Bare:
    """Serves both models, as fast as BentoML's own routes can: without metrics and without a log of requests."""

    def __init__(self) -> None:
        self.sessions = open_sessions()

    @bentoml.api
    def classify(self, image: list, model: Name) -> list:  # type: ignore[type-arg]
        """Return probabilities of shape [1, 10] for an image of shape [1, 1, 28, 28], both as nested lists."""
        array = np.array(image, dtype=np.float32)
        answer: list[list[float]] = self.sessions[model].run(["probabilities"], {"image": array})[0].tolist()
        return answer

    @bentoml.api
    def cnn(self, image: Annotated[bytes, ContentType("application/octet-stream")], /) -> bytes:
        """Return the CNN's probabilities for the float32 values of one image, both as bytes."""
        return self._run("digits-cnn", image)

    @bentoml.api
    def rnn(self, image: Annotated[bytes, ContentType("application/octet-stream")], /) -> bytes:
        """Return the LSTM's probabilities for the float32 values of one image, both as bytes."""
        return self._run("digits-rnn", image)

    def _run(self, model: Name, image: bytes) -> bytes:
        array = np.frombuffer(image, np.float32).reshape(1, *SHAPE)
        answer: bytes = self.sessions[model].run(["probabilities"], {"image": array})[0].tobytes()
        return answer
