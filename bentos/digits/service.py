"""The digits service: both models by the Open Inference Protocol, and a route that classifies an uploaded picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import bentoml
import numpy as np
from PIL import Image, ImageOps
from pydantic import BaseModel, WrapValidator
from starlette.datastructures import UploadFile

from governance import Governance

MAX_PIXELS = 4_000_000

governance = Governance.from_file(Path(__file__).with_name("governance.toml"))


class Classification(BaseModel):
    """A model's answer for a picture: the most probable digit, and the probability of each digit."""

    model: str
    label: str
    probabilities: dict[str, float]


def read_picture(upload: Any, _: Any) -> Image.Image:
    """Decode an upload in memory.

    Raises:
        ValueError: if it is not a file, not a PNG or JPEG, or larger than `MAX_PIXELS`.
    """
    if not isinstance(upload, UploadFile):
        raise ValueError("must be an uploaded PNG or JPEG file")
    try:
        picture = Image.open(upload.file, formats=("PNG", "JPEG"))
        if picture.width * picture.height <= MAX_PIXELS:
            picture.load()
            return picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ValueError("must be a PNG or JPEG file, and this one cannot be read") from None
    raise ValueError(f"must have at most {MAX_PIXELS} pixels")


Picture = Annotated[Image.Image, WrapValidator(read_picture)]


@governance.guard
@bentoml.service(name="digits")
class Digits:
    """Classifies handwritten digits."""

    def __init__(self) -> None:
        for name in ("digits-cnn", "digits-rnn"):
            governance.open_model(name)

    @bentoml.api
    def classify(self, image: Picture) -> Classification:
        """Classify one PNG or JPEG of a digit, dark on light or light on dark, with the requested model."""
        model = governance.requested_model()
        probabilities = model.run({model.inputs[0].name: pixels_of(image)})[model.outputs[0].name][0]
        return Classification(
            model=model.name,
            label=model.classes[int(probabilities.argmax())],
            probabilities=dict(zip(model.classes, map(float, probabilities), strict=True)),
        )


def pixels_of(picture: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Convert a picture to the format that the models were trained on.

    Returns:
        float32 of shape [1, 1, 28, 28], 0 for background and 1 for ink.
    """
    grey = ImageOps.exif_transpose(picture).convert("L").resize((28, 28), Image.Resampling.LANCZOS)
    pixels = np.asarray(grey, dtype=np.float32) / 255
    # Ink covers the smaller part of a picture, so a mostly bright picture has dark ink and must be inverted.
    return (1 - pixels if pixels.mean() > 0.5 else pixels)[np.newaxis, np.newaxis]
