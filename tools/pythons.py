"""Finds the Python interpreters of this machine, one of each version that the project supports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


def find_pythons(versions: Iterable[str] = SUPPORTED) -> dict[str, Path]:
    """Return the first interpreter that runs for each version, for example `{"3.12": Path("/usr/bin/python3.12")}`.

    Looks at the running interpreter, `PATH`, pyenv's versions, and those that uv installed, in this order. A version
    without an interpreter is left out.
    """
    found = {}
    for version in versions:
        for candidate in _candidates(version):
            if _version_of(candidate) == version:
                found[version] = candidate
                break
    return found


def _candidates(version: str) -> Iterator[Path]:
    """List files that may be an interpreter of this version; a shim of pyenv that answers nothing is one, too."""
    yield Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    for variable, default, pattern in (
        ("PYENV_ROOT", "~/.pyenv", f"versions/{version}.*"),
        ("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python", f"cpython-{version}.*"),
    ):
        root = Path(os.environ.get(variable, default)).expanduser()
        yield from (folder / "bin/python3" for folder in sorted(root.glob(pattern), reverse=True))


def _version_of(interpreter: Path) -> str | None:
    """Return the version, for example `"3.12"`; `None` if the program does not run."""
    program = "import sys; print('{}.{}'.format(*sys.version_info))"
    try:
        done = subprocess.run([interpreter, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
