"""Changes of an artifact's trailer after sealing: an approver's signature, or other recipients.

Header and parts stay unchanged, so the size of the model does not matter. The file is changed in place: the new trailer
is first written to a journal next to the file, and the next change finishes one that was interrupted.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from governance.artifacts.format.container import MAX_TRAILER_BYTES, Trailer, block
from governance.artifacts.format.manifest import Progress
from governance.artifacts.format.recipients import authenticate, recipient_key_id, unwrap_with, wrap_for
from governance.artifacts.opening import inspect_sealed, open_sealed, steps_3_and_4_data_key
from governance.artifacts.scan.limits import DEFAULT_SCAN_LIMITS, ScanLimits
from governance.artifacts.seal import SealedFacts, admission_of
from governance.artifacts.trust.bundle import unverified_signer
from governance.artifacts.trust.signing import ModelSigner, sign_model
from governance.artifacts.trust.statement import render_time
from governance.artifacts.trust.trust import Trust
from governance.errors import ConfigurationError, IntegrityError
from governance.keys import Unwrapper, VerifyingKey, Wrapper

JOURNAL_SUFFIX = ".amending"
_OFFSET = struct.Struct(">Q")


def approve(
    path: Path,
    *,
    signer: ModelSigner,
    trust: Trust,
    recipient_key: Unwrapper,
    now: datetime,
    limits: ScanLimits = DEFAULT_SCAN_LIMITS,
    progress: Progress = lambda _: None,
) -> SealedFacts:
    """Open an artifact completely (signatures, every byte, the scan), then add the signature of an approver.

    Args:
        path: The sealed file.
        signer: The approver; its key must not have signed the artifact before, so that two people are involved.
        trust: Whose signatures count; the author must be trusted.
        recipient_key: Private key of a recipient.
        now: Time of signing, with a time zone.
        limits: Limits of the scan that the model must pass.
        progress: Is called with the number of bytes of plaintext verified.

    Raises:
        ConfigurationError: if the approver has signed it before, or the file cannot be changed.
        IntegrityError: if it cannot be opened; the message begins with the step that failed.
    """
    with _exclusive(path):
        with open_sealed(
            path,
            name=None,
            minimum_version=1,
            trust=trust,
            recipient_key=recipient_key,
            limits=limits,
            progress=progress,
        ):
            pass
        return _add_approval(path, signer, recipient_key, now)


def _add_approval(path: Path, signer: ModelSigner, recipient_key: Unwrapper, now: datetime) -> SealedFacts:
    container = inspect_sealed(path)
    header, digest, trailer = container.header, container.header_sha256, container.trailer
    approver = signer.key.public_key
    if any(_is_key(unverified_signer(entry["model"]), approver) for entry in trailer.signatures):
        raise ConfigurationError("this key has already signed the artifact: the approver must be another person")
    data_key = unwrap_with(trailer.recipients, digest, recipient_key)
    admission = admission_of(header, digest, trailer.ciphertext_sha256)
    entry = sign_model(signer, admission, header.manifest, "approver", render_time(now))
    amended = replace(trailer, signatures=(*trailer.signatures, entry))
    _replace_trailer(path, container.trailer_offset, authenticate(amended, digest, data_key))
    names = [f"sha256:{approver.fingerprint}"]
    return SealedFacts(
        header.name, header.version, header.created, header.manifest.digest, tuple(names), header.manifest
    )


def rewrap(
    path: Path, *, recipient_key: Unwrapper, add: Sequence[Wrapper] = (), remove: Sequence[str] = ()
) -> tuple[str, ...]:
    """Add and remove recipients; return the key ids of all recipients afterwards.

    Args:
        path: The sealed file.
        recipient_key: Private key of a current recipient, which unwraps the data key.
        add: Recipients to add.
        remove: Key ids to remove, or prefixes of at least 8 hex digits that match exactly one recipient.

    Raises:
        ConfigurationError: if a recipient to remove does not exist, none would remain, or the file cannot be changed.
        DecryptionError: if the artifact is not encrypted for this key, or its trailer was changed.
    """
    with _exclusive(path):
        return _rewrap(path, recipient_key, add, remove)


def _rewrap(path: Path, recipient_key: Unwrapper, add: Sequence[Wrapper], remove: Sequence[str]) -> tuple[str, ...]:
    container = inspect_sealed(path)
    digest, trailer = container.header_sha256, container.trailer
    try:
        data_key = steps_3_and_4_data_key(container, recipient_key)
    except IntegrityError as error:
        raise type(error)(f"{path.name}: {error}") from None
    entries = {recipient_key_id(entry): entry for entry in trailer.recipients}
    for wanted in remove:
        del entries[_matching(wanted, entries)]
    if add:
        entries.update({entry["key_id"]: entry for entry in wrap_for(data_key, digest, add)})
    if not entries:
        raise ConfigurationError("the artifact needs at least one recipient")
    amended = replace(trailer, recipients=tuple(entries[key_id] for key_id in sorted(entries)))
    _replace_trailer(path, container.trailer_offset, authenticate(amended, digest, data_key))
    return tuple(sorted(entries))


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Lock an artifact for a change, and finish an interrupted change first.

    Raises:
        ConfigurationError: if the file cannot be written, or another process is changing it.
    """
    try:
        with path.open("r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _finish_interrupted(path)
            yield
    except BlockingIOError:
        raise ConfigurationError(f"another process is changing {path}") from None
    except OSError as error:
        raise ConfigurationError(f"cannot change {path}: {error.strerror}") from None


def _finish_interrupted(path: Path) -> None:
    """Apply a complete journal; if it is missing or incomplete, the file was not changed yet."""
    journal = _journal(path)
    try:
        content = journal.read_bytes()
    except FileNotFoundError:
        return
    length = int.from_bytes(content[_OFFSET.size : _OFFSET.size + 4], "big")
    if len(content) >= _OFFSET.size + 4 and len(content) == _OFFSET.size + 4 + length:
        _write_tail(path, _OFFSET.unpack_from(content)[0], content[_OFFSET.size :])
    journal.unlink(missing_ok=True)


def _replace_trailer(path: Path, offset: int, trailer: Trailer) -> None:
    tail = block(trailer.to_bytes(), MAX_TRAILER_BYTES)
    journal = _journal(path)
    try:
        with journal.open("wb") as stream:
            stream.write(_OFFSET.pack(offset) + tail)
            stream.flush()
            os.fsync(stream.fileno())
        _sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            journal.unlink(missing_ok=True)
        raise
    _write_tail(path, offset, tail)
    journal.unlink()


def _write_tail(path: Path, offset: int, tail: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(tail)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())


def _journal(path: Path) -> Path:
    return path.with_name(f".{path.name}{JOURNAL_SUFFIX}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_key(signer: object, key: VerifyingKey) -> bool:
    if isinstance(signer, str):
        return signer == key.fingerprint
    if not isinstance(signer, tuple):
        return False
    try:
        return VerifyingKey.from_key(signer[0].public_key()) == key
    except ValueError:
        return False


def _matching(wanted: str, entries: Mapping[str, object]) -> str:
    prefix = wanted.removeprefix("sha256:").lower()
    found = [key_id for key_id in entries if len(prefix) >= 8 and key_id.startswith(prefix)]
    if len(found) != 1:
        raise ConfigurationError(f"no recipient, or more than one, has the id '{wanted[:80]}': see `artifact inspect`")
    return found[0]
