"""Plaintext in memory: sealed, shared only by inheritance, wiped, and never in a file."""

import ctypes
import os
import struct
import subprocess
import sys

import pytest

from governance.artifacts.memory import PlaintextMemory, swap_is_on
from governance.errors import ManifestMismatchError

linux = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memfd is Linux's")
SIZES = {"a": 5000, "empty": 0, "b": 3}


def filled():
    memory = PlaintextMemory.allocate(SIZES)
    memory.write("a", 0, memoryview(b"s" * 5000))
    memory.write("b", 1, memoryview(b"yz"))
    return memory


def test_memory_shows_what_is_written_and_its_views_are_read_only():
    memory = filled()
    assert bytes(memory.view("a")) == b"s" * 5000 and bytes(memory.view("b")) == b"\0yz" and not memory.view("empty")
    with pytest.raises(TypeError):
        memory.view("a")[0] = 1


def test_memory_without_memfd_is_private(monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    memory = filled()
    assert memory.inheritable() is None and bytes(memory.view("b")) == b"\0yz"
    memory.seal()
    kept = memory.view("a")
    memory.wipe()
    assert not any(kept)


@linux
def test_memory_that_is_sealed_cannot_be_changed_and_its_owner_can_wipe_it():
    memory = filled()
    memory.seal()
    for change in (lambda: os.pwrite(memory.descriptor, b"x", 0), lambda: os.ftruncate(memory.descriptor, 0)):
        with pytest.raises(PermissionError):
            change()
    shared = PlaintextMemory.adopt(memory.descriptor, memory.layout).view("a")
    assert bytes(shared[:2]) == b"ss"
    memory.wipe()
    assert not any(shared)


@linux
def test_memory_adopt_accepts_only_sealed_memory_of_the_right_size(tmp_path):
    unsealed, plain = filled(), os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.ftruncate(plain, unsealed.size)
    for descriptor in (unsealed.descriptor, plain, 999):
        with pytest.raises(ManifestMismatchError):
            PlaintextMemory.adopt(descriptor, unsealed.layout)
    unsealed.seal()
    with pytest.raises(ManifestMismatchError):
        PlaintextMemory.adopt(unsealed.descriptor, {"a": (0, 10**6)})
    os.close(plain)


@linux
def test_memory_is_inherited_only_if_it_is_inheritable():
    memory = filled()
    memory.seal()
    check = f"import os; print(os.pread({memory.descriptor}, 2, 0))"

    def child():
        return subprocess.run([sys.executable, "-c", check], capture_output=True, close_fds=False, check=False).stdout

    assert b"ss" not in child()
    memory.inheritable()
    assert b"ss" in child()


def test_memory_detects_swap_from_its_table(tmp_path):
    (tmp_path / "none").write_text("Filename\n")
    (tmp_path / "one").write_text("Filename\n/dev/sda2 partition\n")
    assert not swap_is_on(tmp_path / "none")
    assert swap_is_on(tmp_path / "one") and swap_is_on(tmp_path / "absent")


@linux
def test_open_creates_and_writes_no_file(sealed, tmp_path, monkeypatch):
    """inotify watches the folder of the artifact, the working directory and every temporary folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    monkeypatch.chdir(tmp_path)
    watched = {str(tmp_path), str(sealed.file.parent), "/tmp", "/var/tmp", "/dev/shm"}
    for folder in watched:
        # IN_CREATE, IN_MODIFY, IN_MOVED_TO, IN_CLOSE_WRITE
        assert libc.inotify_add_watch(watch, folder.encode(), 0x100 | 0x2 | 0x80 | 0x8) >= 0

    def events():
        try:
            content, found = os.read(watch, 2**16), []
        except BlockingIOError:
            return []
        while content:
            length = struct.unpack_from("iIII", content)[3]
            found.append(content[16 : 16 + length].rstrip(b"\0"))
            content = content[16 + length :]
        return found

    (tmp_path / "seen").write_bytes(b"x")
    assert b"seen" in events()
    with sealed.open() as opened:
        assert opened.files
    # Other processes may use /tmp; this process uses none of these names.
    ours = [
        name for name in events() if b"model" in name or b"card" in name or b"onnx" in name or b"governance" in name
    ]
    assert ours == []
    assert not any(os.scandir(tmp_path / "x") if (tmp_path / "x").exists() else [])
    os.close(watch)
