"""Generators of `docs/reference/`: each is a pure function from the code to the text of one page.

`settings`, `commands`, `errors`, `metrics`, `api` and `facts` each return `{path: text}`; `markdown` holds what they
share. The package must not write files: `tools/generate.py` does.
"""

from __future__ import annotations

from pathlib import Path

from tools.reference.api import api_files
from tools.reference.commands import commands_files
from tools.reference.errors import errors_files
from tools.reference.facts import facts_files
from tools.reference.metrics import metrics_files
from tools.reference.settings import settings_files


def reference_files() -> dict[Path, str]:
    """Return the text of every generated reference file, by its path relative to the repository."""
    makers = (settings_files, commands_files, errors_files, metrics_files, api_files, facts_files)
    return {path: text for maker in makers for path, text in maker().items()}
