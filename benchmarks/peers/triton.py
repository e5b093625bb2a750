"""`model.py` of Triton's Python backend for the same models; runs in Triton's stub with the packages of its venv."""

import os
import sys
from pathlib import Path

sys.path.insert(0, os.environ["PEER_PACKAGES"])

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """Runs the requests of one of Triton's batches in one call."""

    def initialize(self, args):
        """Open the model of the folder's name on one thread."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = Path(os.environ["MODELS"]) / args["model_name"] / "export/model.onnx"
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        """Return the probabilities of each request."""
        images = [triton.get_input_tensor_by_name(request, "image").as_numpy() for request in requests]
        values = self.session.run(
            ["probabilities"], {"image": images[0] if len(images) == 1 else np.concatenate(images)}
        )[0]
        responses, start = [], 0
        for image in images:
            rows = values[start : start + len(image)]
            responses.append(triton.InferenceResponse([triton.Tensor("probabilities", rows)]))
            start += len(image)
        return responses
