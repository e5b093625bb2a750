"""This package as a service's bento carries it: the wheel that it was installed from, or its name."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

NAME = "bento-governance"
WHEELS = "wheels"
# What the extra `cpu` needs: a wheel in a bento is named by its path, which takes no extra.
RUNTIME = "onnxruntime>=1.31"


def installed_wheel() -> Path | None:
    """Return the wheel that this package was installed from, as its installer recorded it (PEP 610).

    It is None if the package came from an index or a checkout, or if the file is gone.
    """
    try:
        record = json.loads(distribution(NAME).read_text("direct_url.json") or "{}")
        address = urlsplit(str(record.get("url", "")))
    except (PackageNotFoundError, ValueError):
        return None
    path = Path(unquote(address.path))
    return path if address.scheme == "file" and path.suffix == ".whl" and path.is_file() else None


def requirements(wheel: Path | None, *, runtime: bool) -> str:
    """Return the lines of a `bentofile.yaml` with which a bento installs this package.

    Args:
        wheel: a wheel that the bento carries, so that it installs without an index; None for the package's name.
        runtime: whether models run.
    """
    if wheel is None:
        return f'  packages:\n    - "{NAME}{"[cpu]" if runtime else ""}"'
    lines = [f'  wheels:\n    - "{WHEELS}/{wheel.name}"', f'  packages:\n    - "./{WHEELS}/{wheel.name}"']
    return "\n".join([*lines, *[f'    - "{RUNTIME}"'] * runtime])
