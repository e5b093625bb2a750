"""Recovery of a log when it is opened: what is authentic counts, everything else is kept aside. See FORMAT.md.

Entries under a checkpoint must match it. Entries after the last one must have the stamp of this log: a user who can
write the file cannot make it. Other lines are moved to a file `aside-N`, and never signed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from governance.audit.checkpoint import Checkpoint
from governance.audit.entry import decode_entry, encode_entry
from governance.audit.log_files import CHECKPOINTS, ENTRIES, LEAVES, NOTE_LINES, read_checkpoints
from governance.audit.merkle import HASH_BYTES, CompactRange, leaf_hash
from governance.audit.origin import Origin
from governance.audit.stamp import Stamper
from governance.errors import IntegrityError, LogInconsistentError
from governance.keys import Signer, VerifyingKey

ASIDE = "aside-"


@dataclass(slots=True)
class Recovered:
    """A log as it was found, ready for the next entry.

    Attributes:
        origin: Origin of the log, a new one if there was none.
        stamper: Stamps the entries of this log.
        tree: Tree over all entries that count.
        covered: Number of entries that the last checkpoint covers, -1 without a checkpoint.
        aside: Number of lines that were set aside.
        heads: Newest `head` of each kind of signed file (`file_head`).
    """

    origin: Origin
    stamper: Stamper
    covered: int
    tree: CompactRange = field(default_factory=CompactRange)
    aside: int = 0
    heads: dict[str, str] = field(default_factory=dict)

    @property
    def uncovered(self) -> int:
        """Number of authentic entries after the last checkpoint."""
        return self.tree.size - max(self.covered, 0)


def recover(folder: Path, owner: str, key: Signer, random: Callable[[int], bytes] = os.urandom) -> Recovered:
    """Bring the files of a log to its last authentic entry.

    Args:
        folder: Folder of one worker's log; no other process may write it.
        owner: Name of the service, or of this replica of it.
        key: Checkpoint key.
        random: Returns random bytes, for the id of a new log.

    Raises:
        LogInconsistentError: if the log is of another service or folder, or an entry does not match its checkpoint.
    """
    checkpoints, cut = _read_valid_checkpoints(folder, key.public_key)
    if checkpoints:
        origin = Origin.parse(checkpoints[-1].origin)
        if (origin.owner, origin.folder) != (owner, folder.name):
            raise LogInconsistentError(f"{folder}: this is the log {origin}, not one of {owner}/{folder.name}")
    else:
        origin = Origin.new(owner, folder.name, random)
    found = Recovered(origin, Stamper(key, str(origin)), checkpoints[-1].size if checkpoints else -1)
    _read_entries(folder, checkpoints, found)
    found.aside += cut
    return found


def _read_valid_checkpoints(folder: Path, key: VerifyingKey) -> tuple[list[Checkpoint], int]:
    """Return the checkpoints up to the first that is not valid, and the number of lines that were set aside.

    If even the first is not valid, the key is another, and nothing is touched.
    """
    checkpoints: list[Checkpoint] = []
    try:
        checkpoints.extend(read_checkpoints(folder, key, repair=True))
    except IntegrityError:
        checkpoints = list(_valid_checkpoints(folder, key))
        if not checkpoints:
            raise
        lines = (folder / CHECKPOINTS).read_bytes().splitlines(keepends=True)
        good = sum(map(len, lines[: NOTE_LINES * len(checkpoints)]))
        _set_aside(folder / CHECKPOINTS, [(good, sum(map(len, lines)))])
        return checkpoints, len(lines) - NOTE_LINES * len(checkpoints)
    return checkpoints, 0


def _valid_checkpoints(folder: Path, key: VerifyingKey) -> Iterator[Checkpoint]:
    with suppress(IntegrityError):
        yield from read_checkpoints(folder, key, repair=True)


def _read_entries(folder: Path, checkpoints: list[Checkpoint], found: Recovered) -> None:
    entries = folder / ENTRIES
    leaves = (folder / LEAVES).read_bytes() if (folder / LEAVES).exists() else b""
    roots = {checkpoint.size: checkpoint.root for checkpoint in checkpoints}
    covered, offset, hashes = found.covered, 0, bytearray()
    aside: list[tuple[int, int]] = []
    for line in _lines(entries):
        index, end = found.tree.size, offset + len(line)
        if index < covered:
            _verify_covered(line, leaves[index * HASH_BYTES : (index + 1) * HASH_BYTES], f"{entries}: entry {index}")
        elif not _is_authentic(found.stamper, index, line):
            aside.append((offset, end))
            offset = end
            continue
        offset = end
        leaf = leaf_hash(line[:-1])
        found.tree.append(leaf)
        hashes += leaf
        _note_head(line, found.heads)
        root = roots.get(found.tree.size)
        if root is not None and root != found.tree.root():
            raise LogInconsistentError(f"{entries}: an entry up to {found.tree.size - 1} differs from its checkpoint")
    if covered > found.tree.size:
        raise LogInconsistentError(f"{entries}: a checkpoint covers {covered} entries, and there are {found.tree.size}")
    if aside:
        _set_aside(entries, aside)
        found.aside = len(aside)
    if leaves != hashes:
        (folder / LEAVES).write_bytes(hashes)


def _verify_covered(line: bytes, leaf: bytes, place: str) -> None:
    if not line.endswith(b"\n") or (len(leaf) == HASH_BYTES and leaf_hash(line[:-1]) != leaf):
        raise LogInconsistentError(f"{place} is not what was logged")


def _is_authentic(stamper: Stamper, index: int, line: bytes) -> bool:
    """Return whether a line after the last checkpoint is a whole entry with the stamp of this log and place."""
    try:
        stamper.verify(index, line[:-1])
        return line.endswith(b"\n") and encode_entry(decode_entry(line[:-1])) == line[:-1]
    except (LogInconsistentError, msgspec.MsgspecError):
        return False


def _set_aside(file: Path, spans: list[tuple[int, int]]) -> None:
    """Move byte ranges of a file to a new file; what remains replaces the file at once."""
    first = spans[0][0]
    with file.open("rb") as stream:
        stream.seek(first)
        content = stream.read()
    number = sum(1 for _ in file.parent.glob(f"{ASIDE}*"))
    removed = b"".join(content[start - first : end - first] for start, end in spans)
    _write_synced(file.parent / f"{ASIDE}{number}", removed)
    kept = bytearray()
    for (_, start), (end, _) in zip(spans, [*spans[1:], (first + len(content), 0)], strict=True):
        kept += content[start - first : end - first]
    if not kept:
        os.truncate(file, first)
        return
    replacement = file.with_suffix(".new")
    with file.open("rb") as stream:
        _write_synced(replacement, stream.read(first) + kept)
    os.replace(replacement, file)


def _write_synced(file: Path, content: bytes) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _note_head(line: bytes, heads: dict[str, str]) -> None:
    if b'"head":' in line:
        entry = decode_entry(line[:-1])
        if entry.outcome == "event" and entry.head and entry.reason == "done":
            heads[entry.head.partition(" ")[0]] = entry.head


def _lines(file: Path) -> Iterator[bytes]:
    if file.exists():
        with file.open("rb") as stream:
            yield from stream
