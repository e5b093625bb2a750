"""The container of a `.sealed` file: magic, header, encrypted parts, trailer. See FORMAT.md.

Reading checks form, limits and lengths; the result is unverified.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from governance.artifacts.format import cipher
from governance.artifacts.format.manifest import Manifest, is_sha256
from governance.canonical import canonical_json, parse_json
from governance.errors import BadRequestError, ConfigurationError, ManifestMismatchError

MAGIC = b"BENTO-SEALED/1\r\n"
FORMAT = "bento-sealed/1"
MAX_HEADER_BYTES = 2**20
MAX_TRAILER_BYTES = 2**24
MAX_NAME_CHARACTERS = 64
MAX_SIGNATURES = 64
MAX_RECIPIENTS = 256
LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class SealedPart:
    """One encrypted part of a file.

    Attributes:
        index: Position among all parts, from 0.
        path: Path of the file.
        offset: Offset in the file, in bytes.
        plaintext_bytes: Length of the plaintext.
    """

    index: int
    path: str
    offset: int
    plaintext_bytes: int

    def context(self, header_sha256: bytes) -> bytes:
        """Return the context of encryption: digest of the header (32 bytes), index and path."""
        return b"".join(
            (b"bento-sealed/1 part\x00", header_sha256, self.index.to_bytes(8, "big"), self.path.encode("utf-8"))
        )


@dataclass(frozen=True, slots=True)
class Header:
    """The header: identity and files of the model.

    Attributes:
        name: Name of the model.
        version: Version of the model, from 1.
        created: Time of sealing (RFC 3339, UTC).
        manifest: The files with their digests.
        part_bytes: Plaintext bytes of a part, except the last of each file.
    """

    name: str
    version: int
    created: str
    manifest: Manifest
    part_bytes: int = cipher.PART_BYTES

    def to_bytes(self) -> bytes:
        """Return the header as canonical JSON."""
        return canonical_json(
            {
                "format": FORMAT,
                "name": self.name,
                "version": self.version,
                "created": self.created,
                "cipher": cipher.NAME,
                "part_bytes": self.part_bytes,
                "files": self.manifest.to_json(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Header:
        """Parse a header strictly.

        Raises:
            ManifestMismatchError: if it is not canonical JSON with exactly the known fields, or a field is wrong.
        """
        fields = _canonical_object(data, "header")
        if set(fields) != {"format", "name", "version", "created", "cipher", "part_bytes", "files"}:
            raise ManifestMismatchError("the header has missing or unknown fields")
        if (fields["format"], fields["cipher"]) != (FORMAT, cipher.NAME):
            raise ManifestMismatchError("the header names another format or cipher")
        name, version, created, part_bytes = (fields[key] for key in ("name", "version", "created", "part_bytes"))
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARACTERS or not isinstance(created, str):
            raise ManifestMismatchError("the header has a wrong name or time")
        if not _is_count(version) or not _is_count(part_bytes) or part_bytes > cipher.PART_BYTES:
            raise ManifestMismatchError("the header has a wrong version or part size")
        return cls(name, version, created, Manifest.from_json(fields["files"]), part_bytes)

    def parts(self) -> Iterator[SealedPart]:
        """Yield the parts in order; an empty file has one empty part."""
        index = 0
        for entry in self.manifest.files:
            for offset in range(0, max(entry.size, 1), self.part_bytes):
                yield SealedPart(index, entry.path, offset, min(self.part_bytes, entry.size - offset))
                index += 1


@dataclass(frozen=True, slots=True)
class Trailer:
    """The trailer: signatures, and what can be changed after sealing.

    Attributes:
        ciphertext_sha256: SHA-256 of each part's ciphertext, in hex.
        signatures: Signatures of authors and approvers, as JSON values.
        recipients: The data key, wrapped for each recipient, as JSON values.
        mac: MAC over the other fields with a key derived from the data key, in hex.
    """

    ciphertext_sha256: tuple[str, ...]
    signatures: tuple[Any, ...]
    recipients: tuple[Any, ...]
    mac: str = ""

    def authenticated_bytes(self) -> bytes:
        """Return the bytes that `mac` authenticates: canonical JSON of the other fields."""
        return canonical_json(self._fields())

    def to_bytes(self) -> bytes:
        """Return the trailer as canonical JSON."""
        return canonical_json({**self._fields(), "mac": self.mac})

    def _fields(self) -> dict[str, Any]:
        return {
            "ciphertext_sha256": list(self.ciphertext_sha256),
            "signatures": list(self.signatures),
            "recipients": list(self.recipients),
        }

    @classmethod
    def from_bytes(cls, data: bytes) -> Trailer:
        """Parse a trailer strictly; signatures and recipients are not interpreted.

        Raises:
            ManifestMismatchError: if it is not canonical JSON with exactly the known fields, or a field is wrong.
        """
        fields = _canonical_object(data, "trailer")
        if set(fields) != {"ciphertext_sha256", "signatures", "recipients", "mac"}:
            raise ManifestMismatchError("the trailer has missing or unknown fields")
        digests, signatures, recipients = (fields[key] for key in ("ciphertext_sha256", "signatures", "recipients"))
        if not isinstance(digests, list) or not all(map(is_sha256, digests)) or not is_sha256(fields["mac"]):
            raise ManifestMismatchError("the trailer has wrong digests")
        if not isinstance(signatures, list) or len(signatures) > MAX_SIGNATURES:
            raise ManifestMismatchError(f"the trailer must have at most {MAX_SIGNATURES} signatures")
        if not isinstance(recipients, list) or not 1 <= len(recipients) <= MAX_RECIPIENTS:
            raise ManifestMismatchError(f"the trailer must have 1 to {MAX_RECIPIENTS} recipients")
        return cls(tuple(digests), tuple(signatures), tuple(recipients), fields["mac"])


@dataclass(frozen=True, slots=True)
class UnverifiedContainer:
    """A file that has the form of an artifact; nothing is verified.

    Attributes:
        header_bytes: The header as it is in the file.
        header: The parsed header.
        body_offset: Offset of the first part in the file.
        trailer_offset: Offset of the trailer's length in the file.
        trailer: The parsed trailer.
    """

    header_bytes: bytes
    header: Header
    body_offset: int
    trailer_offset: int
    trailer: Trailer

    @property
    def header_sha256(self) -> bytes:
        """SHA-256 of the header's bytes (32 bytes)."""
        return hashlib.sha256(self.header_bytes).digest()

    def part_offsets(self) -> Iterator[tuple[SealedPart, int]]:
        """Yield each part and the offset of its ciphertext in the file."""
        offset = self.body_offset
        for part in self.header.parts():
            yield part, offset
            offset += cipher.ciphertext_bytes(part.plaintext_bytes)


def read_container(stream: BinaryIO) -> UnverifiedContainer:
    """Read everything except the parts; each length is checked against its limit before it is used.

    Args:
        stream: The file, at its beginning.

    Raises:
        ManifestMismatchError: if it is not a sealed artifact, is truncated, or has additional bytes.
    """
    total = os.fstat(stream.fileno()).st_size
    magic = stream.read(len(MAGIC))
    if magic != MAGIC:
        raise ManifestMismatchError(f"not a sealed artifact: {_kind_of(magic)}")
    header_bytes = _read_block(stream, MAX_HEADER_BYTES, "header")
    header = Header.from_bytes(header_bytes)
    body_offset = stream.tell()
    part_sizes = (
        [cipher.ciphertext_bytes(part.plaintext_bytes) for part in header.parts()] if _fits(header, total) else []
    )
    trailer_offset = body_offset + sum(part_sizes)
    if not part_sizes or trailer_offset + LENGTH_BYTES > total:
        raise ManifestMismatchError("the file is shorter than its header says")
    stream.seek(trailer_offset)
    trailer = Trailer.from_bytes(_read_block(stream, MAX_TRAILER_BYTES, "trailer"))
    if stream.tell() != total:
        raise ManifestMismatchError("the file is longer than its header says")
    if len(trailer.ciphertext_sha256) != len(part_sizes):
        raise ManifestMismatchError("the trailer does not have one digest for each part")
    return UnverifiedContainer(header_bytes, header, body_offset, trailer_offset, trailer)


def block(data: bytes, limit: int) -> bytes:
    """Return data preceded by its length (4 bytes, big-endian).

    Raises:
        ConfigurationError: if it is longer than `limit`.
    """
    if len(data) > limit:
        raise ConfigurationError(f"a block of {len(data)} bytes exceeds the limit of {limit} in the format")
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def _read_block(stream: BinaryIO, limit: int, name: str) -> bytes:
    length = int.from_bytes(stream.read(LENGTH_BYTES), "big")
    if not 0 < length <= limit:
        raise ManifestMismatchError(f"the {name} is empty or exceeds its limit of {limit} bytes")
    data = stream.read(length)
    if len(data) != length:
        raise ManifestMismatchError(f"the {name} is truncated")
    return data


def _fits(header: Header, total: int) -> bool:
    """Return whether the sizes in the header are possible for a file of `total` bytes, before parts are enumerated."""
    size = sum(entry.size for entry in header.manifest.files)
    return size <= total and size // header.part_bytes <= 2**20


def _canonical_object(data: bytes, name: str) -> dict[str, Any]:
    try:
        fields = parse_json(data)
        canonical = canonical_json(fields)
    except (BadRequestError, ValueError, RecursionError):
        raise ManifestMismatchError(f"the {name} is not a JSON document of this format") from None
    if not isinstance(fields, dict) or canonical != data:
        raise ManifestMismatchError(f"the {name} is not canonical JSON (RFC 8785)")
    return fields


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**53


def _kind_of(magic: bytes) -> str:
    if not magic:
        return "the file is empty"
    if magic[:2] == b"PK":
        return "it is a zip archive (a PyTorch file?), which is never loaded"
    if magic[:1] == b"\x80":
        return "it is a pickle, which is never loaded"
    if magic[:4] == b"\x89HDF":
        return "it is an HDF5 file, which is never loaded"
    if magic[:1] == b"\x08":
        return "it seems to be a plaintext ONNX model, and only sealed ones are served"
    return "it does not begin with the magic bytes"
