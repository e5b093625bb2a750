"""Faces in pictures: found by the cascade classifiers in OpenCV's wheel, and covered irreversibly.

Source: P. Viola and M. Jones, Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR 2001. The
cascades find most upright faces of 24 pixels or more that look at the camera or to a side; some faces are missed.
"""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from governance.errors import ConfigurationError

# Left, top, right and bottom, in pixels.
Box = tuple[int, int, int, int]

FRONTAL, PROFILE = "haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml"
# In pixels: a picture is scaled down to this longest side before the search, and the smallest face found in it.
LONGEST_SIDE, SMALLEST = 1280, 24
# Share of the face's size that is covered too on each side, and the number of fields in a row that replace it.
MARGIN, FIELDS = 0.3, 4


class Faces:
    """Finds faces; may be used by several threads.

    Raises:
        ConfigurationError: If OpenCV is not installed, or its wheel has no cascades.
    """

    def __init__(self) -> None:
        try:
            cv2: Any = import_module("cv2")
        except ImportError:
            raise ConfigurationError("faces need a package: pip install 'bento-governance[images]'") from None
        self._cv2 = cv2
        self._files = [Path(cv2.data.haarcascades) / name for name in (FRONTAL, PROFILE)]
        if not all(file.is_file() for file in self._files):
            raise ConfigurationError("this version of OpenCV has no cascades: pip install 'opencv-python-headless<5'")
        # A cascade classifier keeps state during a search, so each thread has its own.
        self._own = threading.local()

    def find(self, picture: Image.Image) -> list[Box]:
        """Return the box of each face.

        Args:
            picture: An upright picture of any size.
        """
        grey = picture.convert("L")
        scale = min(1.0, LONGEST_SIDE / max(grey.size))
        if scale < 1:
            grey = grey.resize((max(1, round(grey.width * scale)), max(1, round(grey.height * scale))))
        pixels = self._cv2.equalizeHist(np.asarray(grey))
        frontal, profile = self._cascades()
        found = [*self._look(frontal, pixels), *self._look(profile, pixels)]
        mirrored = np.ascontiguousarray(pixels[:, ::-1])
        found += [(grey.width - x - w, y, w, h) for x, y, w, h in self._look(profile, mirrored)]
        return [
            (int(x / scale), int(y / scale), round((x + w) / scale), round((y + h) / scale)) for x, y, w, h in found
        ]

    def _cascades(self) -> tuple[Any, Any]:
        if not hasattr(self._own, "cascades"):
            self._own.cascades = tuple(self._cv2.CascadeClassifier(str(file)) for file in self._files)
        cascades: tuple[Any, Any] = self._own.cascades
        return cascades

    @staticmethod
    def _look(cascade: Any, pixels: Any) -> list[tuple[int, int, int, int]]:
        if min(pixels.shape) < SMALLEST:
            return []
        boxes = cascade.detectMultiScale(pixels, scaleFactor=1.1, minNeighbors=3, minSize=(SMALLEST, SMALLEST))
        return [(int(x), int(y), int(w), int(h)) for x, y, w, h in boxes]


def cover(picture: Image.Image, boxes: list[Box]) -> None:
    """Replace each face and a margin around it by four by four fields of one colour each, in place.

    The fields hold only 48 numbers, too few to reconstruct a face.

    Args:
        picture: The picture.
        boxes: The faces.
    """
    for left, top, right, bottom in boxes:
        wide, high = round((right - left) * MARGIN), round((bottom - top) * MARGIN)
        area = (
            max(0, left - wide),
            max(0, top - high),
            min(picture.width, right + wide),
            min(picture.height, bottom + high),
        )
        size = area[2] - area[0], area[3] - area[1]
        fields = picture.crop(area).resize((FIELDS, FIELDS), Image.Resampling.BOX)
        picture.paste(fields.resize(size, Image.Resampling.NEAREST), area)
