"""The smallest possible ASGI server of the same models: reads the body, runs the model, writes the bytes; no checks.

Any other path answers nothing with status 200, which says that the server is ready.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from benchmarks.peers.models import PIXEL_BYTES, SHAPE, open_sessions

sessions = {f"/{name}": session for name, session in open_sessions().items()}
TENSOR, JSON = [(b"content-type", b"application/octet-stream")], [(b"content-type", b"application/json")]
decode, encode = msgspec.json.Decoder(dict[str, list[Any]]).decode, msgspec.json.Encoder().encode


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Run the model of the path on the last 3,136 bytes of a body, or on `image` of a JSON object, as its type says."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    session = sessions.get(scope["path"])
    if session is None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        return
    if scope["query_string"] == b"json":
        image = np.array(decode(body)["image"], np.float32)
        answer = encode(session.run(["probabilities"], {"image": image})[0].tolist())
        kind = JSON
    else:
        image = np.frombuffer(body[-PIXEL_BYTES:], np.float32).reshape(1, *SHAPE)
        answer = session.run(["probabilities"], {"image": image})[0].tobytes()
        kind = TENSOR
    headers = [*kind, (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
