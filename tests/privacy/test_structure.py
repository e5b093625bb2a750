"""The package `governance.privacy` stays easy to survey."""

from pathlib import Path

import governance.privacy

TOP = Path(governance.privacy.__file__).parent


def test_privacy_has_at_most_ten_entries_at_its_top():
    assert len([entry for entry in TOP.iterdir() if entry.name != "__pycache__"]) <= 10
