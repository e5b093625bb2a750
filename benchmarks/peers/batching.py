"""A BentoML service with the same models and BentoML's adaptive batching, without governance."""

from __future__ import annotations

from typing import Annotated

import bentoml
import numpy as np
from bentoml.validators import DType, Shape

from benchmarks.peers.models import open_sessions

Images = Annotated[np.ndarray, DType("float32"), Shape((-1, 1, 28, 28))]
# A batch is as large as the largest load has connections; the target latency is BentoML's own default.
BATCH = 64


@bentoml.service(name="bare_batching", metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Batching:
    """Serves both models, waiting calls together."""

    def __init__(self) -> None:
        self.sessions = open_sessions()

    @bentoml.api(batchable=True, max_batch_size=BATCH)
    def cnn(self, image: Images) -> np.ndarray:
        """Return the CNN's probabilities of shape [N, 10] for N images."""
        return self.sessions["digits-cnn"].run(["probabilities"], {"image": image})[0]

    @bentoml.api(batchable=True, max_batch_size=BATCH)
    def rnn(self, image: Images) -> np.ndarray:
        """Return the LSTM's probabilities of shape [N, 10] for N images."""
        return self.sessions["digits-rnn"].run(["probabilities"], {"image": image})[0]
