"""Keys for development: their files begin with a line that says so, and a service in production refuses them.

The line is a comment to the formats of keys: PEM allows text before its first boundary (RFC 7468, section 5.2), and
`key_files` leaves it out of symmetric secrets. Removing it is a decision of a person, never an accident.
"""

from __future__ import annotations

import os
from pathlib import Path

MARKER = b"# bento-governance: for development only, refused in production\n"


def marked(content: bytes) -> bytes:
    """Return the content of a key's file, marked as for development."""
    return MARKER + content


def without_marker(content: bytes) -> bytes:
    """Return the content of a key's file without the mark."""
    return content.removeprefix(MARKER)


def is_file_for_development(path: str | Path) -> bool:
    """Return whether a file has the mark; one that does not exist or cannot be read has none.

    Args:
        path: any file; a pipe or another special file is not opened.
    """
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as stream:
            return stream.read(len(MARKER)) == MARKER
    except OSError:
        return False
