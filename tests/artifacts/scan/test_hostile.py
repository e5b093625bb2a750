"""Hostile artifacts: any change of the bytes gives the expected error, and never plaintext, a traceback or a hang."""

import json
import random
import resource

import pytest

from governance.artifacts.format.container import MAGIC, MAX_HEADER_BYTES, MAX_TRAILER_BYTES
from governance.artifacts.opening import inspect_sealed, verify_sealed
from governance.canonical import canonical_json
from governance.errors import IntegrityError, ManifestMismatchError

MUTATIONS = 10_000


def mutated(content, chance):
    """Return the content with one random mutation."""
    place, other = chance.randrange(len(content)), chance.randrange(len(content))
    length = chance.choice((1, 2, 4, 16, 64, 200))
    match chance.randrange(8):
        case 0:
            return content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]
        case 1:
            return content[:place] + chance.randbytes(length) + content[place + length :]
        case 2:
            return content[:place] + content[place + length :]
        case 3:
            return content[:place] + chance.randbytes(length) + content[place:]
        case 4:
            return content[:place] + content[other : other + length] + content[place + length :]
        case 5:
            return content[:place]
        case 6:
            return content[:place] + (2**32 - 1).to_bytes(4, "big") + content[place + 4 :]
        case _:
            return content[:place] + content[other:]


def test_open_refuses_ten_thousand_random_mutations(sealed, tmp_path):
    content, chance, refused = sealed.file.read_bytes(), random.Random(20260101), 0
    file = tmp_path / "mutated"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(MUTATIONS):
        changed = mutated(content, chance)
        if changed == content:
            continue
        file.write_bytes(changed)
        with pytest.raises(IntegrityError) as refusal:
            sealed.open(file)
        assert "step " in str(refusal.value) and "MatMul" not in str(refusal.value)
        refused += 1
    assert refused > MUTATIONS * 0.9
    # ru_maxrss is in KiB: no mutation makes the process allocate more than the size of the file justifies.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def rebuilt(sealed, change):
    """Return the artifact with a changed header in canonical JSON, so that only its content is wrong."""
    container = inspect_sealed(sealed.file)
    header = json.loads(container.header_bytes)
    change(header)
    block = canonical_json(header)
    rest = sealed.file.read_bytes()[container.body_offset :]
    return MAGIC + len(block).to_bytes(4, "big") + block + rest


def set_size(header, size):
    header["files"][0]["size"] = size


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(name="other"),
        lambda header: header.update(version=4),
        lambda header: header.update(version=True),
        lambda header: header.update(version=-1),
        lambda header: header.update(created="2027-01-01T00:00:00Z"),
        lambda header: header.update(format="bento-sealed/2"),
        lambda header: header.update(cipher="none"),
        lambda header: header.update(part_bytes=65),
        lambda header: header.update(part_bytes=1),
        lambda header: header.update(part_bytes=2**40),
        lambda header: header.update(extra=1),
        lambda header: header.pop("created"),
        lambda header: header["files"].reverse(),
        lambda header: header["files"].append(header["files"][0]),
        lambda header: header["files"].clear(),
        lambda header: header["files"][0].update(path="../card.json"),
        lambda header: header["files"][0].update(path="/card.json"),
        lambda header: header["files"][0].update(path="a\0b"),
        lambda header: header["files"][0].update(sha256="0" * 64),
        lambda header: header["files"][0].update(sha256="0"),
        lambda header: set_size(header, 0),
        lambda header: set_size(header, 1),
        lambda header: set_size(header, -1),
        lambda header: set_size(header, 2**40),
        lambda header: set_size(header, 2**53 - 1),
        lambda header: set_size(header, 1e9),
    ],
)
def test_open_refuses_an_edited_header(sealed, tmp_path, change):
    (tmp_path / "x").write_bytes(rebuilt(sealed, change))
    for look in (lambda: sealed.open(tmp_path / "x"), lambda: verify_sealed(tmp_path / "x", trust=sealed.trust)):
        with pytest.raises(IntegrityError, match="step [12]"):
            look()


def test_open_refuses_an_appended_header_or_artifact(sealed, tmp_path):
    content, container = sealed.file.read_bytes(), inspect_sealed(sealed.file)
    head = content[: container.body_offset]
    for wrong in (content + head, content + content, head + content, content + b"\0"):
        (tmp_path / "x").write_bytes(wrong)
        with pytest.raises(ManifestMismatchError, match="step 1"):
            sealed.open(tmp_path / "x")


@pytest.mark.parametrize(("limit", "offset"), [(MAX_HEADER_BYTES, len(MAGIC)), (MAX_TRAILER_BYTES, None)])
def test_open_reads_a_block_up_to_its_limit(sealed, tmp_path, limit, offset):
    content = sealed.file.read_bytes()
    place = inspect_sealed(sealed.file).trailer_offset if offset is None else offset
    for length in (0, limit + 1, 2**32 - 1):
        (tmp_path / "x").write_bytes(content[:place] + length.to_bytes(4, "big") + content[place + 4 :])
        with pytest.raises(ManifestMismatchError, match="step 1"):
            sealed.open(tmp_path / "x")


def test_open_refuses_two_swapped_files(sealed, tmp_path):
    """The files have the same size and key; the encryption context contains the path."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"a" * 64)
    (folder / "b.txt").write_bytes(b"b" * 64)
    made = type(sealed)(folder, tmp_path / "x", sealed.signer, sealed.recipient)
    made.seal(made.file)
    content, places = made.file.read_bytes(), list(inspect_sealed(made.file).part_offsets())
    (_, first), (_, second) = places
    size = second - first
    swapped = content[:first] + content[second : second + size] + content[first:second] + content[second + size :]
    made.file.write_bytes(swapped)
    with pytest.raises(IntegrityError, match="step 5"):
        made.open()


def test_open_refuses_a_signed_header_with_a_wrong_digest(sealed, tmp_path, monkeypatch):
    """The header is signed, but its digest of a file differs from the encrypted content."""
    import governance.artifacts.seal as seal
    from governance.artifacts.format.manifest import FileEntry, Manifest

    true = seal.hash_sources

    def lying(files, progress):
        manifest = true(files, progress)
        first = manifest.files[0]
        return Manifest((FileEntry(first.path, first.size, "0" * 64), *manifest.files[1:]))

    monkeypatch.setattr(seal, "hash_sources", lying)
    with pytest.raises(ManifestMismatchError, match="changed while it was sealed"):
        sealed.seal(tmp_path / "x")
    monkeypatch.setattr(seal, "_encrypt_files", _without_check(seal._encrypt_files, true))
    sealed.seal(tmp_path / "x")
    with pytest.raises(ManifestMismatchError, match="step 6"):
        sealed.open(tmp_path / "x")


def _without_check(encrypt, true_hash):
    from dataclasses import replace

    def run(files, header, header_digest, data_key, output, progress):
        honest = replace(header, manifest=true_hash(files, lambda _: None))
        return encrypt(files, honest, header_digest, data_key, output, progress)

    return run
