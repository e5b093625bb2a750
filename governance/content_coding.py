"""Content codings of request bodies: gzip, deflate and zstd, unpacked within a limit (RFC 9110, section 8.4.1).

A body of a few kilobytes may unpack to gigabytes, so the output is bounded while it is made. A body that is cut, or
that something follows, is refused: two readers could take it for two different ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import zstandard

from governance.errors import BadRequestError, TooLargeError

GZIP_MAGIC = b"\x1f\x8b"
GZIP_BITS, ZLIB_BITS = 31, 15
# RFC 9659: a receiver need not support larger windows.
MAX_WINDOW_BYTES = 8 * 2**20
MAX_FRAME_HEADER, BLOCK_HEADER, RLE_BLOCK, CHECKSUM_BYTES = 18, 3, 1, 4
TRUNCATED = "the compressed body is not complete"


def unpack(body: bytes, coding: str, limit: int) -> bytes:
    """Return the content of a compressed body.

    Args:
        body: the whole body.
        coding: one of `CODINGS`.
        limit: the most bytes of the content.

    Raises:
        TooLargeError: if the content is longer; no more than `limit` bytes and a little were unpacked.
        BadRequestError: if the body is not what the coding says, is cut, or something follows it.
    """
    return CODINGS[coding](body, limit)


def _unpack_gzip(body: bytes, limit: int) -> bytes:
    """Unpack one or more members (RFC 1952, section 2.2)."""
    content, rest = bytearray(), body
    while True:
        piece, rest = _inflate(rest, GZIP_BITS, limit - len(content))
        content += piece
        if not rest:
            return bytes(content)
        if not rest.startswith(GZIP_MAGIC):
            raise BadRequestError("something follows the compressed body")


def _unpack_deflate(body: bytes, limit: int) -> bytes:
    content, rest = _inflate(body, ZLIB_BITS, limit)
    if rest:
        raise BadRequestError("something follows the compressed body")
    return content


def _inflate(data: bytes, bits: int, limit: int) -> tuple[bytes, bytes]:
    """Return the content of one stream, and what follows it."""
    stream = zlib.decompressobj(bits)
    try:
        # At least 1: zlib takes 0 for no limit.
        content = stream.decompress(data, limit + 1)
        _verify_size(len(content), limit)
        if not stream.eof:
            content += stream.decompress(stream.unconsumed_tail, limit + 1 - len(content))
    except zlib.error:
        raise BadRequestError("the compressed body cannot be unpacked") from None
    _verify_size(len(content), limit)
    if not stream.eof:
        raise BadRequestError(TRUNCATED)
    return content, stream.unused_data


def _unpack_zstd(body: bytes, limit: int) -> bytes:
    """Unpack one or more frames (RFC 8878, section 3.1)."""
    try:
        _verify_frames(body)
        reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).stream_reader(
            body, read_across_frames=True
        )
        content: bytes = reader.read(limit + 1)
    except zstandard.ZstdError:
        raise BadRequestError("the compressed body cannot be unpacked") from None
    _verify_size(len(content), limit)
    return content


def _verify_frames(body: bytes) -> None:
    """Check that the body is whole frames: the library returns what it has of a frame that is cut, without an error."""
    place = 0
    while place < len(body) or not place:
        head = body[place : place + MAX_FRAME_HEADER]
        if place and not head.startswith(zstandard.FRAME_HEADER):
            raise BadRequestError("something follows the compressed body")
        has_checksum = zstandard.get_frame_parameters(head).has_checksum
        place += zstandard.frame_header_size(head)
        last = False
        while not last:
            # Section 3.1.1.2: last block, type and size in 1, 2 and 21 bits, least significant first.
            block = int.from_bytes(body[place : place + BLOCK_HEADER], "little")
            last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
            place += BLOCK_HEADER + (1 if kind == RLE_BLOCK else size)
            if place > len(body):
                raise BadRequestError(TRUNCATED)
        place += CHECKSUM_BYTES if has_checksum else 0
        if place > len(body):
            raise BadRequestError(TRUNCATED)


def _verify_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(f"the body unpacks to more than the {limit} bytes that this route reads")


CODINGS: Mapping[str, Callable[[bytes, int], bytes]] = {
    "gzip": _unpack_gzip,
    "deflate": _unpack_deflate,
    "zstd": _unpack_zstd,
}
