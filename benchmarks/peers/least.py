"""The smallest possible ASGI server of the same model: reads the body, runs the model, writes the bytes; no checks."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnxruntime

PIXEL_BYTES = 28 * 28 * 4

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Run the model on the last 3,136 bytes of the body, for any request."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    image = np.frombuffer(body[-PIXEL_BYTES:], np.float32).reshape(1, 1, 28, 28)
    answer = session.run(["probabilities"], {"image": image})[0].tobytes()
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
