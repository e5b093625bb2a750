"""Lines of a file or a pipe, read block by block: lines that have come are returned without waiting for more."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterable, Iterator
from typing import AnyStr, BinaryIO

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.datasets.formats.batch import Advance

BLOCK_BYTES, MAX_LINE_BYTES = 2**18, 64 * 2**20
# A private key has many lines, and its single lines would not be found: they stay together.
MAX_KEY_LINES = 400
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def byte_lines(stream: BinaryIO, advance: Advance) -> Iterator[list[bytes]]:
    """Yield whole lines with their line ends, as many as have come.

    Args:
        stream: The unbuffered file or pipe.
        advance: Is called with the number of bytes of each block.

    Raises:
        BadRequestError: If a line is longer than `MAX_LINE_BYTES`.
    """
    return _whole_lines(_blocks(stream, advance), b"\n", b"")


def text_lines(stream: BinaryIO, encoding: str, advance: Advance) -> Iterator[list[str]]:
    """Yield whole decoded lines with their line ends; the lines of a private key are one element.

    Args:
        stream: The unbuffered file or pipe.
        encoding: Its encoding.
        advance: Is called with the number of bytes of each block.

    Raises:
        BadRequestError: If a line is longer than `MAX_LINE_BYTES` characters, or the bytes are not in this encoding.
    """
    return _keys_together(_whole_lines(_decoded(_blocks(stream, advance), encoding), "\n", ""))


def text_encoding(name: str | None, start: bytes) -> str:
    """Return the encoding of a file: the given one, the one of its byte order mark, or UTF-8.

    Args:
        name: The given encoding, or None.
        start: The first bytes of the file; none for a pipe.

    Raises:
        ConfigurationError: If there is no such text encoding.
    """
    if name is None:
        return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), "utf-8")
    try:
        with io.TextIOWrapper(io.BytesIO(), encoding=name):
            return name
    except LookupError:
        raise ConfigurationError(f"there is no text encoding '{name[:40]}'") from None


def _blocks(stream: BinaryIO, advance: Advance) -> Iterator[bytes]:
    while block := os.read(stream.fileno(), BLOCK_BYTES):
        yield block
        advance(len(block))


def _decoded(blocks: Iterable[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        for block in blocks:
            text = decoder.decode(block)
            line += text.count("\n")
            yield text
        yield decoder.decode(b"", final=True)
    except UnicodeError as error:
        line += error.object[: error.start].count(b"\n") if isinstance(error, UnicodeDecodeError) else 0
        raise BadRequestError(
            f"line {line} is not {encoding}: name the file's encoding, for example --encoding cp1252"
        ) from None


def _whole_lines(blocks: Iterable[AnyStr], newline: AnyStr, nothing: AnyStr) -> Iterator[list[AnyStr]]:
    pieces: list[AnyStr] = []
    size, number = 0, 1
    for block in blocks:
        head, found, tail = block.rpartition(newline)
        pieces.append(head + found if found else tail)
        size += len(pieces[-1])
        if found:
            lines = nothing.join(pieces).split(newline)[:-1]
            if size > MAX_LINE_BYTES:
                _refuse_long(lines, number)
            yield [line + newline for line in lines]
            number += len(lines)
            pieces, size = [tail], len(tail)
        if size > MAX_LINE_BYTES:
            raise BadRequestError(f"line {number} is longer than {MAX_LINE_BYTES} characters")
    if rest := nothing.join(pieces):
        yield [rest]


def _refuse_long(lines: Iterable[AnyStr], number: int) -> None:
    for line in lines:
        if len(line) > MAX_LINE_BYTES:
            raise BadRequestError(f"line {number} is longer than {MAX_LINE_BYTES} characters")
        number += 1


def _keys_together(blocks: Iterable[list[str]]) -> Iterator[list[str]]:
    held: list[str] = []
    for lines in blocks:
        if not held and not any("-----BEGIN " in line for line in lines):
            yield lines
            continue
        together: list[str] = []
        for line in lines:
            if not held and "-----BEGIN " not in line:
                together.append(line)
                continue
            held.append(line)
            if "-----END " in line or len(held) >= MAX_KEY_LINES:
                together.append("".join(held))
                held = []
        yield together
    if held:
        yield held
