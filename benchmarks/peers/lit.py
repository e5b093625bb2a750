"""A LitServe server with the same models, its batching on: `python -m benchmarks.peers.lit PORT`; in its own venv."""

from __future__ import annotations

import base64
import sys

import litserve
import numpy as np

from benchmarks.peers.models import NAMES, SHAPE, open_sessions


class Digits(litserve.LitAPI):
    """One model at `/NAME`; an image is a nested list, or its float32 bytes in base64 (LitServe reads JSON alone)."""

    def setup(self, device):
        """Open the model in the worker."""
        self.session = open_sessions()[self.api_path.removeprefix("/")]

    def decode_request(self, request):
        """Return one image of shape [1, 28, 28]."""
        if "b64" in request:
            return np.frombuffer(base64.b64decode(request["b64"]), np.float32).reshape(SHAPE)
        return np.array(request["image"][0], np.float32)

    def batch(self, inputs):
        """Return the images as one array."""
        return np.stack(inputs)

    def predict(self, images):
        """Return the probabilities of shape [N, 10]."""
        return self.session.run(["probabilities"], {"image": images})[0]

    def unbatch(self, output):
        """Return the rows."""
        return list(output)

    def encode_response(self, output):
        """Return a row as JSON."""
        return {"probabilities": [output.tolist()]}


def main():
    """Serve both models on a port, with one worker for each, as LitServe does at least."""
    models = [Digits(max_batch_size=64, batch_timeout=0.0, api_path=f"/{name}") for name in NAMES]
    server = litserve.LitServer(models, accelerator="cpu", fast_queue=True, timeout=False)
    server.run(port=int(sys.argv[1]), host="127.0.0.1", log_level="error", generate_client_file=False, access_log=False)


if __name__ == "__main__":
    main()
