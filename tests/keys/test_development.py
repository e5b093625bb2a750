"""Keys for development: marked files still open as keys, and the mark is found wherever it is looked for."""

import os

import pytest

from governance.cli.key import new_key
from governance.keys import (
    load_recipient_public_key,
    load_verifying_key,
    open_recipient_key,
    open_secret,
    open_signing_key,
)
from governance.keys.development import MARKER, is_file_for_development, marked
from governance.keys.key_files import write_new


@pytest.mark.parametrize("purpose", ["signing", "recipient", "checkpoint", "secret"])
def test_marked_key_is_the_same_key_with_a_mark(tmp_path, purpose):
    private, public = new_key(purpose)
    for name, content in (("plain", private), ("marked", marked(private))):
        write_new(tmp_path / f"{name}.key", content, mode=0o600)
        if public is not None:
            write_new(tmp_path / f"{name}.key.pub", marked(public) if name == "marked" else public, mode=0o644)
    plain, other = (f"file:{tmp_path}/{name}.key" for name in ("plain", "marked"))
    if purpose == "secret":
        assert open_secret(plain) == open_secret(other)
    elif purpose == "recipient":
        assert open_recipient_key(plain).key_id == open_recipient_key(other).key_id
        ids = [load_recipient_public_key(tmp_path / f"{name}.key.pub").key_id for name in ("plain", "marked")]
        assert ids[0] == ids[1]
    else:
        assert open_signing_key(plain).public_key == open_signing_key(other).public_key
        assert load_verifying_key(tmp_path / "marked.key.pub") == open_signing_key(plain).public_key
    assert is_file_for_development(tmp_path / "marked.key")
    assert not is_file_for_development(tmp_path / "plain.key")


def test_mark_is_found_in_files_only_and_never_blocks(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "later").write_bytes(b"\n" + MARKER)
    for name in ("pipe", "missing", ".", "later"):
        assert not is_file_for_development(tmp_path / name)
