"""The heads of all logs in a folder, read from the end of their files only."""

import asyncio
import os

import pytest

from governance.audit.heads import read_heads
from governance.audit.log import open_worker_log
from governance.audit.log_files import CHECKPOINTS, ENTRIES
from governance.keys import generate_signing_key

KEY = generate_signing_key("ed25519")


@pytest.fixture
def folder(tmp_path):
    """Two logs of one service: one with 300 entries and many checkpoints, one without entries."""

    async def write():
        first = open_worker_log(tmp_path, "s", KEY, durability="process", checkpoint_seconds=1e-9)
        second = open_worker_log(tmp_path, "s", KEY, durability="process", checkpoint_seconds=1000.0)
        for number in range(300):
            await first[0].append(b'{"n":%d,"status":200}' % number)
        for log, lock in (first, second):
            await log.close()
            lock.close()

    asyncio.run(write())
    return tmp_path


def test_log_heads_have_the_newest_checkpoint_of_each_log(folder):
    heads = read_heads(folder, KEY.public_key)
    assert [(head.folder, head.checkpoint.origin.rsplit("/", 2)[0], head.checkpoint.size) for head in heads] == [
        ("worker-0", "s/worker-0", 300),
        ("worker-1", "s/worker-1", 0),
    ]


def test_log_heads_skip_a_checkpoint_that_is_being_written(folder):
    with (folder / "worker-0" / CHECKPOINTS).open("ab") as stream:
        stream.write(b"s/worker-0\n301\nAAAA")
    assert read_heads(folder, KEY.public_key)[0].checkpoint.size == 300


@pytest.mark.parametrize("content", [b"", b"\n", b"garbage\n" * 5, b"\xff\xfe\n" * 9])
def test_log_heads_invalid_checkpoint_is_none(folder, content):
    (folder / "worker-0" / CHECKPOINTS).write_bytes(content)
    assert read_heads(folder, KEY.public_key)[0].checkpoint is None


def test_log_heads_checkpoint_of_another_key_is_none(folder):
    assert read_heads(folder, generate_signing_key("ed25519").public_key)[0].checkpoint is None


def test_log_heads_report_entries_without_checkpoint(folder):
    entries, promises = folder / "worker-0" / ENTRIES, folder / "worker-0" / CHECKPOINTS
    os.utime(promises, (1000, 1000))
    os.utime(entries, (1060, 1060))
    assert read_heads(folder, KEY.public_key)[0].behind_seconds == 60.0
    os.utime(entries, (900, 900))
    assert read_heads(folder, KEY.public_key)[0].behind_seconds == 0.0


def test_log_heads_of_a_folder_without_logs_are_empty(tmp_path):
    assert read_heads(tmp_path, KEY.public_key) == []
