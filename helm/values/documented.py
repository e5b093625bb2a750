"""Reads values.yaml: each value that a `# --` comment documents, with its default."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/bento-governance"


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value: its dotted path, its default, and the sentence that describes it."""

    path: str
    default: Any
    description: str


def documented_values(text: str) -> list[Value]:
    """Return the values that a `# --` comment describes, in their order.

    Args:
        text: the content of values.yaml.

    Raises:
        ValueError: a comment is not followed by a key.

    Example:
        `"image:\\n  # -- The tag.\\n  tag: x\\n"` gives `[Value("image.tag", "x", "The tag.")]`.
    """
    tree, found = yaml.safe_load(text), []
    parents: list[str] = []
    description = None
    for number, line in enumerate(text.splitlines(), 1):
        comment = re.fullmatch(r" *# -- (.*)", line)
        key = re.match(r"( *)([A-Za-z][A-Za-z0-9]*):", line)
        if comment:
            description = comment[1]
        elif key:
            depth = len(key[1]) // 2
            parents = [*parents[:depth], key[2]]
            if description is not None:
                found.append(Value(".".join(parents), _at(tree, parents), description))
            description = None
        elif description is not None:
            raise ValueError(f"values.yaml:{number}: a comment that describes no value")
    return found


def _at(tree: Any, path: list[str]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def leaves(tree: Mapping[str, Any], documented: set[str], prefix: str = "") -> Iterator[str]:
    """Yield every path that is a value of its own: a scalar, a list, or a table that is documented as a whole.

    Args:
        tree: the parsed values.yaml, or a part of it.
        documented: paths that a comment describes.
        prefix: path of the part, with a dot at its end.
    """
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path not in documented:
            yield from leaves(value, documented, f"{path}.")
        else:
            yield path
