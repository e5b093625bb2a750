"""Uploaded images: cleaned of metadata, with their faces kept, covered, or a reason to refuse."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from governance.errors import BadRequestError, TooLargeError
from governance.multipart import FormPart
from governance.privacy.pictures.faces import Faces, cover
from governance.privacy.pictures.metadata import UPRIGHT, strip
from governance.privacy.redactions import Redactions

FACE, METADATA = "FACE", "IMAGE_METADATA"
ORIENTATION_TAG = 0x0112
JPEG_QUALITY = 95
READ = ("JPEG", "PNG", "WEBP")
TYPES = {"JPEG": b"image/jpeg", "PNG": b"image/png", "WEBP": b"image/webp"}
# First bytes of other image formats. They are refused, since they may show faces and hold places too.
_OTHERS = (b"GIF8", b"II*\x00", b"MM\x00*", b"BM", b"8BPS", b"\x00\x00\x00\x0cjP", b"\xff\x4f\xff\x51",
           b"\xff\x0a", b"\x00\x00\x00\x0cJXL", b"II+\x00", b"MM\x00+", b"\x00\x00\x01\x00", b"\x00\x00\x02\x00",
           b"icns", b"qoif", b"DDS ", b"\x01\xda", b"\n\x05\x01")  # fmt: skip
_PORTABLE = re.compile(rb"P(?:[1-6]\s+(?:#|\d+\s+\d+\s)|7\s+(?:#|WIDTH))")
_DRAWING = re.compile(rb"<(?:\w+:)?svg|www\.w3\.org/2000/svg", re.IGNORECASE)
# Bytes at the beginning of a file in which its format is looked for; DICOM files have 128 arbitrary bytes first.
_HEAD, _DICOM_AT, _DICOM = 4096, 128, b"DICM"
_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ")


@dataclass(frozen=True, slots=True)
class ImageRules:
    """How the images of one route are cleaned.

    Attributes:
        form: Names of the form fields that hold images; none means every file that is an image, and a body that is one.
        faces: What happens to faces: `keep`, `blur` (cover them), or `refuse` (refuse the image).
        max_pixels: Largest width times height; a larger picture is refused before it is decoded.
        data_class: What policies know a picture with a face as; None for none.
        finder: Finds faces; None if `faces` is `keep`.
    """

    form: frozenset[str] = frozenset()
    faces: Literal["keep", "blur", "refuse"] = "keep"
    max_pixels: int = 50_000_000
    data_class: str | None = None
    finder: Faces | None = None


@dataclass(frozen=True, slots=True)
class CleanedImage:
    """A cleaned image.

    Attributes:
        data: The image file.
        kind: Its format: `JPEG`, `PNG` or `WEBP`.
        counts: How many faces (`FACE`) were covered, and whether metadata (`IMAGE_METADATA`: 1) was removed.
    """

    data: bytes
    kind: str
    counts: Counter[str]


def clean_image(data: bytes, rules: ImageRules) -> CleanedImage:
    """Return an image without metadata, with its faces treated as the rules say.

    Args:
        data: The image file.
        rules: How it is cleaned.

    Raises:
        BadRequestError: If it is not a whole JPEG, PNG or WebP of one frame, or shows a face and faces are refused.
        TooLargeError: If it has more pixels than the rules allow; it is not decoded then.
    """
    try:
        with Image.open(io.BytesIO(data), formats=READ) as picture:
            if picture.width * picture.height > rules.max_pixels:
                raise TooLargeError(f"an image has more than {rules.max_pixels} pixels")
            kind = "JPEG" if picture.format == "MPO" else str(picture.format)
            orientation = _orientation(picture)
            stripped = strip(data, kind, orientation)
            counts = Counter({METADATA: 1}) if stripped != data else Counter[str]()
            if rules.finder is None:
                return CleanedImage(stripped, kind, counts)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLargeError("an image has too many pixels") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError):
        raise BadRequestError("an image is not a whole JPEG, PNG or WebP") from None
    return _without_faces(CleanedImage(stripped, kind, counts), rules, rules.finder)


def _orientation(picture: Image.Image) -> int:
    value = picture.getexif().get(ORIENTATION_TAG, UPRIGHT)
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def _without_faces(cleaned: CleanedImage, rules: ImageRules, finder: Faces) -> CleanedImage:
    try:
        with Image.open(io.BytesIO(cleaned.data), formats=READ) as opened:
            profile = opened.info.get("icc_profile")
            picture = ImageOps.exif_transpose(opened)
    except (OSError, ValueError, SyntaxError, EOFError):
        raise BadRequestError("an image is cut short or malformed") from None
    if picture.mode not in ("L", "LA", "RGB", "RGBA", "P", "PA", "1", "CMYK"):
        raise BadRequestError("an image with more than 8 bits per colour cannot be searched for faces")
    boxes = finder.find(_on_white(picture))
    if not boxes:
        return cleaned
    if rules.faces == "refuse":
        raise BadRequestError("an image shows a face, and pictures of people are not accepted")
    if picture.mode in ("P", "PA", "1"):
        picture = picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "PA" else "RGB")
    cover(picture, boxes)
    picture.info.clear()
    target = io.BytesIO()
    options = {"JPEG": {"quality": JPEG_QUALITY}, "PNG": {}, "WEBP": {"quality": JPEG_QUALITY}}[cleaned.kind]
    picture.save(target, cleaned.kind, icc_profile=profile, **options)
    return CleanedImage(target.getvalue(), cleaned.kind, cleaned.counts + Counter({FACE: len(boxes)}))


def _on_white(picture: Image.Image) -> Image.Image:
    """Return the picture without transparency, so that a face in transparent pixels is found too."""
    return picture.convert("RGBA").convert("RGB") if picture.mode in ("P", "PA") else picture.convert("RGB")


def clean_parts(parts: Sequence[FormPart], rules: ImageRules) -> tuple[list[FormPart], Redactions]:
    """Clean the images among a form's files; other parts stay byte for byte.

    Args:
        parts: The parts of the form.
        rules: How images are cleaned.

    Returns:
        The parts, and the counts of what was removed.

    Raises:
        BadRequestError: If a declared field is not an image, or an image cannot be cleaned.
        TooLargeError: If an image has too many pixels.
    """
    made, counts = list[FormPart](), Counter[str]()
    for part in parts:
        if part.name in rules.form and not part.is_file:
            raise BadRequestError("a form field that holds an image must be a file")
        if part.name in rules.form or (part.is_file and not rules.form and _may_be_image(part)):
            cleaned = clean_image(part.body, rules)
            counts += cleaned.counts
            part = replace(part, headers=_headers(part.name, cleaned.kind), body=cleaned.data)  # noqa: PLW2901
        made.append(part)
    return made, _redactions(counts, rules)


def clean_body(body: bytes, rules: ImageRules) -> tuple[bytes, Redactions]:
    """Clean a body that is one image.

    Args:
        body: The image file.
        rules: How it is cleaned.

    Returns:
        The image, and the counts of what was removed.

    Raises:
        BadRequestError: If it cannot be cleaned.
        TooLargeError: If it has too many pixels.
    """
    cleaned = clean_image(body, rules)
    return cleaned.data, _redactions(cleaned.counts, rules)


def _redactions(counts: Counter[str], rules: ImageRules) -> Redactions:
    classes = frozenset({rules.data_class}) if rules.data_class is not None and counts[FACE] else frozenset[str]()
    return Redactions({}, classes, dict(counts))


def _headers(name: str, kind: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of a cleaned file, named `image.FORMAT`: the old file name may be personal data."""
    if not name.isprintable():
        raise BadRequestError("the name of a form field has unprintable characters")
    quoted = name.encode("utf-8", "replace").replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    field = b'form-data; name="%s"; filename="image.%s"' % (quoted, kind.lower().encode())
    return (b"Content-Disposition", field), (b"Content-Type", TYPES[kind])


def _may_be_image(part: FormPart) -> bool:
    """Return whether a file is an image of any format by its media type or first bytes; better one too many."""
    types = [value.strip().lower() for name, value in part.headers if name.strip().lower() == b"content-type"]
    head = part.body[:_HEAD]
    known = head.lstrip().startswith((b"\xff\xd8", b"\x89PNG", *_OTHERS)) or head.startswith(_OTHERS)
    container = head[8:12] == b"WEBP" or (head[4:8] == b"ftyp" and any(brand in head[8:64] for brand in _BRANDS))
    other = _PORTABLE.match(head) or _DRAWING.search(head) or head[_DICOM_AT:].startswith(_DICOM)
    return known or container or bool(other) or any(value.startswith(b"image/") for value in types)
