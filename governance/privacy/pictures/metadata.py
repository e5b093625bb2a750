"""Metadata of images: removed by copying only the segments that show the picture, without decoding them.

What stays is the image data, the colours (ICC profile, gamma) and the orientation. An unknown segment or chunk is
dropped if the format calls it optional; otherwise the image is refused. Sources: JPEG (ITU-T T.81, annex B), PNG (third
edition, section 5), WebP (RFC 9649).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from governance.errors import BadRequestError

UPRIGHT = 1
_ORIENTATION = 0x0112

_SOI, _EOI, _SOS, _COM, _APP0, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE
_APPS = range(0xE0, 0xF0)
_FRAMES = frozenset({*range(0xC0, 0xD0)}) - {0xC4, 0xC8, 0xCC}
_DHT, _DQT, _DRI = 0xC4, 0xDB, 0xDD
_JFIF = b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_ICC = b"ICC_PROFILE\x00"

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT",
                       b"bKGD", b"pHYs", b"cICP"})  # fmt: skip
# Least and greatest length in bytes: a longer chunk could carry text.
_PNG_SIZES = {b"IHDR": (13, 13), b"IEND": (0, 0), b"PLTE": (3, 768), b"tRNS": (1, 256), b"gAMA": (4, 4),
              b"cHRM": (32, 32), b"sRGB": (1, 1), b"sBIT": (1, 4), b"bKGD": (1, 6), b"pHYs": (9, 9),
              b"cICP": (4, 4)}  # fmt: skip
_PNG_FRAMES = frozenset({b"acTL", b"fcTL", b"fdAT"})
_WEBP_KEPT = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"})
_WEBP_FRAMES = frozenset({b"ANIM", b"ANMF"})
_WEBP_EXIF, _WEBP_XMP, _WEBP_ANIMATED = 0x08, 0x04, 0x02


def strip(data: bytes, kind: str, orientation: int) -> bytes:
    """Return an image without its metadata.

    Args:
        data: The image file.
        kind: `JPEG`, `PNG` or `WEBP`.
        orientation: The EXIF orientation, 1 to 8; one other than 1 is written as the only EXIF entry.

    Raises:
        BadRequestError: If the image is cut short, malformed, or has more than one frame.
    """
    try:
        return {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}[kind](data, orientation)
    except (IndexError, struct.error):
        raise BadRequestError("an image is cut short, or not of the format that it seems to be") from None


def _exif(orientation: int) -> bytes:
    """Return an EXIF block (TIFF, big-endian) whose only entry is the orientation."""
    return b"MM\x00\x2a" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _jpeg(data: bytes, orientation: int) -> bytes:
    out, frames, ended = [b"\xff\xd8"], 0, False
    if orientation != UPRIGHT:
        out.append(_segment(_APP1, b"Exif\x00\x00" + _exif(orientation)))
    for marker, content in _jpeg_segments(data):
        frames += marker in _FRAMES
        if marker == _EOI:
            ended = True
        elif marker == 0:
            out.append(content)
        elif marker == _APP0 and content.startswith(b"JFIF\x00") and len(out) == 1:
            out.append(_segment(_APP0, _JFIF))
        elif marker == _APP14 and content.startswith(b"Adobe") and len(content) >= 12:
            out.append(_segment(_APP14, content[:12]))
        elif marker == _APP2 and content.startswith(_ICC):
            out.append(_segment(marker, content))
        elif marker not in _APPS and marker != _COM:
            _verify_segment(marker, content)
            out.append(_segment(marker, content))
    if frames != 1 or not ended:
        raise BadRequestError("an image is cut short, or has more than one frame")
    return b"".join([*out, b"\xff\xd9"])


def _verify_segment(marker: int, content: bytes) -> None:
    """Refuse an unknown segment, and one that is longer than its own header says: the rest could carry text."""
    size = len(content)
    if marker in _FRAMES:
        whole = size == 6 + 3 * content[5]
    elif marker == _SOS:
        whole = size == 4 + 2 * content[0]
    elif marker == _DRI:
        whole = size == 2
    elif marker in (_DQT, _DHT):
        place = 0
        while place < size:
            place += (65 + 64 * (content[place] >> 4)) if marker == _DQT else 17 + sum(content[place + 1 : place + 17])
        whole = place == size
    else:
        whole = False
    if not whole:
        raise BadRequestError("an image is malformed, or has a segment that is not supported")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment; marker 0 is entropy-coded data. Bytes after the end are ignored."""
    place = 2
    if data[:2] != b"\xff\xd8":
        raise BadRequestError("an image is not of the format that it seems to be")
    while True:
        if data[place] != 0xFF:
            raise BadRequestError("an image is malformed")
        while data[place] == 0xFF:
            place += 1
        marker = data[place]
        place += 1
        if marker == _EOI:
            yield marker, b""
            return
        if marker in (0, _SOI) or 0xD0 <= marker <= 0xD7:
            raise BadRequestError("an image is malformed")
        (length,) = struct.unpack_from(">H", data, place)
        if length < 2 or place + length > len(data):
            raise BadRequestError("an image is cut short")
        yield marker, data[place + 2 : place + length]
        place += length
        if marker == _SOS:
            end = _end_of_scan(data, place)
            yield 0, data[place:end]
            place = end


def _end_of_scan(data: bytes, place: int) -> int:
    while True:
        place = data.find(b"\xff", place)
        if place < 0:
            raise BadRequestError("an image is cut short")
        following = data[place + 1]
        if following and not 0xD0 <= following <= 0xD7 and following != 0xFF:
            return place
        place += 1 if following == 0xFF else 2


def _png(data: bytes, orientation: int) -> bytes:
    if not data.startswith(_PNG):
        raise BadRequestError("an image is not of the format that it seems to be")
    out, place, kind, seen = [_PNG], len(_PNG), b"", set[bytes]()
    while kind != b"IEND":
        before = kind
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += length + 12
        if place > len(data) or (kind == b"IHDR") != (len(out) == 1):
            raise BadRequestError("an image is cut short or malformed")
        if kind in _PNG_FRAMES:
            raise BadRequestError("an image has more than one frame: send one picture")
        if kind not in _PNG_KEPT and not kind[0] & 0x20:
            raise BadRequestError("an image has a required chunk that is not supported")
        if kind in _PNG_KEPT:
            if kind in seen and not kind == before == b"IDAT":
                raise BadRequestError("an image is malformed: it has a chunk twice")
            seen.add(kind)
            out.append(_chunk(kind, _verified_chunk(kind, content)))
        if kind == b"IHDR" and orientation != UPRIGHT:
            out.append(_chunk(b"eXIf", _exif(orientation)))
    return b"".join(out)


def _verified_chunk(kind: bytes, content: bytes) -> bytes:
    least, most = _PNG_SIZES.get(kind, (0, len(content)))
    if not least <= len(content) <= most:
        raise BadRequestError("an image is malformed: a chunk has an impossible length")
    # The name of an ICC profile could carry any text, so it is replaced.
    return b"icc" + content[content.index(b"\0") :] if kind == b"iCCP" else content


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _webp(data: bytes, orientation: int) -> bytes:
    end = struct.unpack_from("<I", data, 4)[0] + 8
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or end > len(data):
        raise BadRequestError("an image is cut short, or not of the format that it seems to be")
    out, place, extended, seen = list[bytes](), 12, False, set[bytes]()
    while place + 8 <= end:
        kind, (length,) = data[place : place + 4], struct.unpack_from("<I", data, place + 4)
        content = data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
        if len(content) != length or place > end + 1:
            raise BadRequestError("an image is cut short")
        if kind in _WEBP_FRAMES or (kind == b"VP8X" and content[0] & _WEBP_ANIMATED):
            raise BadRequestError("an image has more than one frame: send one picture")
        if kind == b"VP8X":
            extended = True
            flags = content[0] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if orientation != UPRIGHT else 0)
            content = bytes([flags]) + content[1:]
        if kind in seen or (kind == b"VP8X" and length != 10):
            raise BadRequestError("an image is malformed: it has a chunk twice, or one of an impossible length")
        if kind in _WEBP_KEPT:
            seen.add(kind)
            out.append(_riff(kind, content))
    if orientation != UPRIGHT and extended:
        out.append(_riff(b"EXIF", _exif(orientation)))
    body = b"WEBP" + b"".join(out)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)
