"""What is sent to each server, and which answer is right: each connection sends an image of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime

from benchmarks.load import Ask, http_post

Format = Literal["JSON", "binary"]
Array = np.ndarray[Any, np.dtype[np.float32]]
# What an image and its probabilities are in one dialect: path, body and header fields; and an answer's probabilities.
Render = Callable[[str, Array], tuple[str, bytes, dict[str, str]]]
Read = Callable[[bytes], Any]

TOLERANCE = 1e-5
CLASSES = 10
SHORT = {"digits-cnn": "cnn", "digits-rnn": "rnn"}
JSON_TYPE = {"Content_Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server wants to be asked.

    Attributes:
        render: makes the request of a model's name and an image of shape [1, 1, 28, 28].
        read: returns the probabilities of an answer, in any nesting.
    """

    render: Render
    read: Read


def make_images(count: int) -> Array:
    """Return images of shape [count, 1, 1, 28, 28] with values of three decimals, the same ones every time."""
    return np.random.default_rng(0).random((count, 1, 1, 28, 28)).round(3).astype(np.float32)


def expected_answers(model: Path, images: Array) -> Array:
    """Return the probabilities that ONNX Runtime alone gives for each image."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.array([session.run(["probabilities"], {"image": image})[0][0] for image in images])


def asks(dialect: Dialect, model: str, images: Array, answers: Array, **headers: str) -> list[Ask]:
    """Return one request for each image, with the check of its answer."""
    return [
        Ask(_request(dialect, model, image, headers), partial(_check, dialect.read, answer))
        for image, answer in zip(images, answers, strict=True)
    ]


def _request(dialect: Dialect, model: str, image: Array, headers: dict[str, str]) -> bytes:
    path, body, own = dialect.render(model, image)
    return http_post(path, body, **own, **headers)


def _check(read: Read, expected: Array, body: bytes) -> None:
    found = np.array(read(body), np.float32).reshape(-1)
    if not np.allclose(found, expected, atol=TOLERANCE):
        raise ValueError(f"probabilities {found[:3]}… instead of {expected[:3]}…")


def _values(image: Array) -> Any:
    # float32 values of three decimals, and not the 17 digits of the next double.
    return image.astype(np.float64).round(3).tolist()


def _tail(body: bytes) -> Array:
    return np.frombuffer(body[-4 * CLASSES :], np.float32)


def _oip_json(model: str, image: Array) -> tuple[str, bytes, dict[str, str]]:
    data = _values(image.reshape(-1))
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": data}
    return f"/v2/models/{model}/infer", json.dumps({"inputs": [tensor]}).encode(), JSON_TYPE


def _oip_binary(model: str, image: Array) -> tuple[str, bytes, dict[str, str]]:
    size = {"binary_data_size": image.nbytes}
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "parameters": size}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    fields = {"Inference_Header_Content_Length": str(len(head)), "Content_Type": "application/octet-stream"}
    return f"/v2/models/{model}/infer", head + image.tobytes(), fields


def _named(path: str, key: str = "image") -> Render:
    """Return a maker of JSON objects with the image, and with the model where the path does not name it."""

    def render(model: str, image: Array) -> tuple[str, bytes, dict[str, str]]:
        body = {key: _values(image)} | ({} if "{" in path else {"model": model})
        return path.format(model=model, short=SHORT[model]), json.dumps(body).encode(), JSON_TYPE

    return render


def _raw(path: str) -> Render:
    def render(model: str, image: Array) -> tuple[str, bytes, dict[str, str]]:
        fields = {"Content_Type": "application/octet-stream"}
        return path.format(model=model, short=SHORT[model]), image.tobytes(), fields

    return render


def _base64(model: str, image: Array) -> tuple[str, bytes, dict[str, str]]:
    return f"/{model}", json.dumps({"b64": base64.b64encode(image.tobytes()).decode()}).encode(), JSON_TYPE


def _member(*path: str | int) -> Read:
    def read(body: bytes) -> Any:
        value = json.loads(body)
        for step in path:
            value = value[step]
        return value

    return read


DIALECTS: dict[str, dict[Format, Dialect]] = {
    "oip": {
        "JSON": Dialect(_oip_json, _member("outputs", 0, "data")),
        "binary": Dialect(_oip_binary, _tail),
    },
    "least": {"JSON": Dialect(_named("/{model}?json"), json.loads), "binary": Dialect(_raw("/{model}"), _tail)},
    "bento": {"JSON": Dialect(_named("/classify"), json.loads), "binary": Dialect(_raw("/{short}"), _tail)},
    "bento batching": {"JSON": Dialect(_named("/{short}"), json.loads)},
    "lit": {
        "JSON": Dialect(_named("/{model}"), _member("probabilities")),
        "binary": Dialect(_base64, _member("probabilities")),
    },
}


def sizes(models: Sequence[str], dialect: str) -> dict[str, int]:
    """Return the bytes of a body in each format of a dialect."""
    image = make_images(1)[0]
    return {name: len(one.render(models[0], image)[1]) for name, one in DIALECTS[dialect].items()}
