"""The audit log: no acknowledged entry is lost, and every change is detected."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from governance.audit.entry import SALT_BYTES, Entry, commitment, decode_entry, encode_entry, printable_word
from governance.audit.log import open_worker_log
from governance.audit.log_files import logs_below
from governance.audit.origin import Origin
from governance.audit.receipt import Receipt
from governance.audit.verify import verify_log
from governance.canonical import canonical_json
from governance.errors import BadRequestError, ConfigurationError, GovernanceError, LogInconsistentError, SignatureError
from governance.keys import generate_signing_key

KEY = generate_signing_key("ed25519")


def entry(number=0, **changes):
    fields = {
        "v": 1, "id": f"{number:032x}", "time_us": number, "duration_us": 1, "method": "POST", "route": "/v2", "action": "infer",
        "outcome": "answered", "reason": None, "status": 200, "caller": "demo", "key_id": "k", "purpose": None,
        "model": "m", "version": "1", "model_digest": None, "items": 1, "policies": ["p"], "policy_digest": None,
        "redactions": {}, "request": None, "reply": None,
    }  # fmt: skip
    return Entry(**{**fields, **changes})


async def write(directory, count, durability="group", checkpoint_seconds=1000.0, key=KEY):
    log, lock = open_worker_log(directory, "s", key, durability=durability, checkpoint_seconds=checkpoint_seconds)
    results = await asyncio.gather(*(log.append(encode_entry(entry(number))) for number in range(count)))
    await log.close()
    lock.close()
    return results


text = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20)


@given(
    text,
    st.lists(text, max_size=3),
    st.dictionaries(text, st.integers(0, 2**53 - 1), max_size=3),
    st.integers(0, 2**53 - 1),
)
def test_audit_entry_is_canonical_json(word, words, counts, number):
    made = entry(caller=word, policies=words, redactions=counts, time_us=number, roles=words, detail=word)
    encoded = encode_entry(made)
    assert encoded == canonical_json(json.loads(encoded))
    assert decode_entry(encoded) == made


@pytest.mark.parametrize("durability", ["group", "process"])
async def test_audit_log_numbers_entries_in_order_and_verifies(tmp_path, durability):
    results = await write(tmp_path, 100, durability)
    assert [index for index, _ in results] == list(range(100))
    verified = verify_log(tmp_path / "worker-0", KEY.public_key)
    assert (verified.entries, verified.uncovered) == (100, 0)


async def test_audit_log_continues_after_a_restart(tmp_path):
    await write(tmp_path, 5)
    assert [index for index, _ in await write(tmp_path, 3)] == [5, 6, 7]
    assert verify_log(tmp_path / "worker-0", KEY.public_key).entries == 8


@pytest.mark.parametrize("durability", ["group", "process"])
async def test_audit_log_writes_a_checkpoint_before_a_pause_and_verifies_while_running(tmp_path, durability):
    log, lock = open_worker_log(tmp_path, "s", KEY, durability=durability, checkpoint_seconds=0.05)
    for number in range(3):
        await log.append(encode_entry(entry(number)))
    for _ in range(200):
        verified = verify_log(tmp_path / "worker-0", KEY.public_key)
        if (verified.entries, verified.uncovered) == (3, 0):
            break
        await asyncio.sleep(0.02)
    assert (verified.entries, verified.uncovered) == (3, 0)
    with (tmp_path / "worker-0/entries.jsonl").open("ab") as stream:
        stream.write(b'{"half')
    assert verify_log(tmp_path / "worker-0", KEY.public_key).entries == 3
    await log.close()
    lock.close()


async def test_audit_log_each_process_writes_its_own_log(tmp_path):
    first, lock = open_worker_log(tmp_path, "s", KEY, durability="process", checkpoint_seconds=1)
    second, other = open_worker_log(tmp_path, "s", KEY, durability="process", checkpoint_seconds=1)
    names = [Origin.parse(log.origin) for log in (first, second)]
    assert [(name.owner, name.folder, name.epoch) for name in names] == [("s", "worker-0", 1), ("s", "worker-1", 1)]
    assert names[0].log_id != names[1].log_id
    for log, held in ((first, lock), (second, other)):
        await log.close()
        held.close()
    assert len(logs_below(tmp_path)) == 2


async def test_audit_verify_refuses_any_changed_byte_in_any_file(tmp_path):
    await write(tmp_path, 4, checkpoint_seconds=0.0)
    folder = tmp_path / "worker-0"
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        for place in range(0, len(content), 5):
            file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
            with pytest.raises((LogInconsistentError, SignatureError)):
                verify_log(folder, KEY.public_key)
        file.write_bytes(content)
    verify_log(folder, KEY.public_key)


async def test_audit_verify_names_the_first_invalid_entry(tmp_path):
    await write(tmp_path, 10)
    file = tmp_path / "worker-0/entries.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    for change, says in (
        ([*lines[:6], lines[6].replace(b'"demo"', b'"dema"'), *lines[7:]], "entry 6 at byte"),
        ([*lines[:3], lines[4], lines[3], *lines[5:]], "entry 3 at byte"),
        (lines[:3] + lines[4:], "entry 3 at byte"),
        (lines[:-1], "entry 9 is missing"),
        ([*lines[:-1], lines[-1][:-5]], "entry 9 at byte"),
    ):
        file.write_bytes(b"".join(change))
        with pytest.raises(LogInconsistentError, match=says):
            verify_log(tmp_path / "worker-0", KEY.public_key)


async def test_audit_verify_refuses_an_entry_changed_together_with_its_hash(tmp_path):
    await write(tmp_path, 4)
    folder = tmp_path / "worker-0"
    lines = (folder / "entries.jsonl").read_bytes().splitlines()
    from governance.audit.merkle import leaf_hash

    lines[2] = lines[2].replace(b'"demo"', b'"dema"')
    (folder / "entries.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    (folder / "leaves").write_bytes(b"".join(map(leaf_hash, lines)))
    with pytest.raises(LogInconsistentError, match="an entry from 0 to 3"):
        verify_log(folder, KEY.public_key)
    with pytest.raises(LogInconsistentError):
        await write(tmp_path, 1)


async def test_audit_verify_refuses_another_key(tmp_path):
    await write(tmp_path, 2)
    with pytest.raises(SignatureError):
        verify_log(tmp_path / "worker-0", generate_signing_key("ed25519").public_key)
    with pytest.raises(GovernanceError):
        await write(tmp_path, 1, key=generate_signing_key("ed25519"))


async def test_audit_log_recovery_cuts_an_incomplete_end_and_keeps_acknowledged_entries(tmp_path):
    await write(tmp_path, 3)
    folder = tmp_path / "worker-0"
    for name, torn in (("entries.jsonl", b'{"action":"inf'), ("checkpoints", b"s/worker-0\n4")):
        with (folder / name).open("ab") as stream:
            stream.write(torn)
    os.truncate(folder / "leaves", 40)
    await write(tmp_path, 1)
    assert verify_log(folder, KEY.public_key).entries == 4


KILLED = """
import asyncio, sys
from pathlib import Path
from governance.audit.log import open_worker_log
from governance.keys.signing import SigningKey

async def main():
    key = SigningKey.from_pem(Path(sys.argv[2]).read_bytes(), "key")
    log, lock = open_worker_log(Path(sys.argv[1]), "s", key, durability=sys.argv[3], checkpoint_seconds=0.01)
    entry = Path(sys.argv[4]).read_bytes()
    async def one():
        while True:
            index, _ = await log.append(entry)
            sys.stdout.write(f"{index}\\n")
            sys.stdout.flush()
    await asyncio.gather(*(one() for _ in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("durability", ["group", "process"])
def test_audit_log_loses_no_acknowledged_entry_by_kill_9(tmp_path, durability):
    (tmp_path / "key").write_bytes(KEY.to_pem())
    (tmp_path / "entry").write_bytes(encode_entry(entry()))
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(tmp_path / "log"),
        str(tmp_path / "key"),
        durability,
        str(tmp_path / "entry"),
    ]
    for _ in range(25):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        acknowledged = [int(process.stdout.readline()) for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        process.wait()
        process.stdout.close()
        asyncio.run(write(tmp_path / "log", 1))
        assert verify_log(tmp_path / "log/worker-0", KEY.public_key).entries > max(acknowledged)


def test_audit_verify_names_a_directory_without_logs(tmp_path):
    with pytest.raises(ConfigurationError, match="no audit log"):
        logs_below(tmp_path)


@given(st.integers(0, 10**9), st.binary(min_size=32, max_size=32), st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES))
def test_receipt_text_round_trips(index, leaf, salt):
    receipt = Receipt("digits/worker-0", index, leaf, salt)
    assert Receipt.from_text(receipt.to_text()) == receipt


@pytest.mark.parametrize(
    "value", ["", "v1", "v2;a;0;b;c", "v1;a;00;" + "A" * 43 + ";" + "A" * 22, "v1;a;0;" + "A" * 42 + "B;" + "A" * 22]
)
def test_receipt_that_is_invalid_is_refused(value):
    with pytest.raises(BadRequestError):
        Receipt.from_text(value)


@given(st.integers(0, 2**40), st.binary(min_size=32, max_size=32))
def test_checkpoint_note_round_trips(size, root):
    checkpoint = Checkpoint("s/worker-0", size, root)
    note = sign_checkpoint(checkpoint, KEY)
    assert verify_checkpoint(note, KEY.public_key) == checkpoint
    for wrong in (note.replace("\n\n", "\n"), note[:-1], note + "x", note.replace("worker-0", "worker-1", 1), ""):
        with pytest.raises((LogInconsistentError, SignatureError)):
            verify_checkpoint(wrong, KEY.public_key)


def test_commitment_depends_on_salt_and_kind():
    assert commitment("request", b"a" * 16, b"x") != commitment("request", b"b" * 16, b"x")
    assert commitment("request", b"a" * 16, b"x") != commitment("reply", b"a" * 16, b"x")


@pytest.mark.parametrize(
    ("value", "kept"), [("a b", "a b"), ("a\nb", None), ("ü", None), ("x" * 129, None), ("", None), (None, None)]
)
def test_audit_entry_keeps_only_short_printable_words(value, kept):
    assert printable_word(value) == kept
