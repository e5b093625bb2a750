"""The runtime of MLServer for the same models: one `Digits` for each model folder; in MLServer's own venv."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peers.models import open_sessions


class Digits(MLModel):
    """Runs the model of its own name."""

    async def load(self) -> bool:
        """Open the model."""
        self.session = open_sessions()[self.name]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Return the probabilities of the images of a request."""
        images = NumpyCodec.decode_input(payload.inputs[0])
        values = self.session.run(["probabilities"], {"image": images})[0]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probabilities", values)])
