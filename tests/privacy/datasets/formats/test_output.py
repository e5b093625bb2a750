"""Output files are complete or absent, also on systems without unnamed files (O_TMPFILE)."""

import os

import pytest

from governance.errors import ConfigurationError
from governance.privacy.datasets.formats.output import complete_or_absent


@pytest.fixture(params=["without a name", "with a temporary name"])
def folder(request, tmp_path, monkeypatch):
    if request.param == "with a temporary name":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return tmp_path


def test_complete_or_absent_names_the_file_when_it_is_complete(folder):
    path = folder / "o"
    with complete_or_absent(path, force=False) as file:
        file.write(b"1")
        assert not path.exists()
    assert path.read_bytes() == b"1" and os.listdir(folder) == ["o"]
    with complete_or_absent(path, force=True) as file:
        file.write(b"2")
    assert path.read_bytes() == b"2" and os.listdir(folder) == ["o"]


def stopped(path):
    with complete_or_absent(path, force=False) as file:
        file.write(b"1")
        raise KeyboardInterrupt


def test_complete_or_absent_leaves_nothing_after_an_error_and_replaces_nothing(folder):
    with pytest.raises(KeyboardInterrupt):
        stopped(folder / "o")
    assert os.listdir(folder) == []
    (folder / "o").write_bytes(b"mine")
    for path in (folder / "o", folder, folder / "no" / "o"):
        with pytest.raises(ConfigurationError), complete_or_absent(path, force=False):
            pass
    assert (folder / "o").read_bytes() == b"mine" and os.listdir(folder) == ["o"]
