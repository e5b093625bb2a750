"""The strings of a JSON document: where free text is, found by pointers, and put back changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.errors import BadRequestError
from governance.privacy.change.text import Anonymized
from governance.privacy.native import in_c
from governance.privacy.request.paths import DocumentPath, Pointer

MAX_LEAVES = 100_000
_CONTAINERS = (dict, list)

# Takes texts, and returns those that are changed, each with its number.
Changes = Callable[[Sequence[str]], Iterable[tuple[int, Anonymized]]]


@dataclass(slots=True)
class Leaves:
    """Strings, the container of each and its key there, and what else was met on the way: members, and floats."""

    containers: list[Any] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    members: int = 0
    floats: int = 0


@in_c
def descend(pending: list[Any], leaves: Leaves, most: int) -> bool:
    """Add all that lies in these objects and lists, and return whether it is no more than so many texts."""
    texts = leaves.texts
    add_container, add_key, add_text = leaves.containers.append, leaves.keys.append, texts.append
    while len(texts) <= most:
        if not pending:
            return True
        container = pending.pop()
        if isinstance(container, dict):
            leaves.members += len(container)
            pairs: Iterable[tuple[Any, Any]] = container.items()
        else:
            pairs = enumerate(container)
        for key, value in pairs:
            if isinstance(value, str):
                add_container(container)
                add_key(key)
                add_text(value)
            elif isinstance(value, _CONTAINERS):
                pending.append(value)
            elif isinstance(value, float):
                leaves.floats += 1
    return False


def change_text(
    document: Any, paths: Sequence[DocumentPath], anonymize: Callable[[Sequence[str]], Sequence[Anonymized]]
) -> tuple[Any, dict[str, int]]:
    """Return the document with every string below the paths changed, and how many findings there were by entity.

    Raises:
        BadRequestError: if there are too many strings.
    """

    def changes(texts: Sequence[str]) -> Iterable[tuple[int, Anonymized]]:
        return [(number, changed) for number, changed in enumerate(anonymize(texts)) if changed.counts]

    holder = [document]
    counts = change_leaves(holder, paths, changes)
    return holder[0], counts


def change_leaves(holder: list[Any], paths: Sequence[DocumentPath], changes: Changes) -> dict[str, int]:
    """Change every string below the paths in place, and return how many findings there were by entity.

    Args:
        holder: its one element is the document.

    Raises:
        BadRequestError: if there are too many strings.
    """
    leaves = leaves_of(holder, paths)
    return put_back(leaves, changes(leaves.texts))


def put_back(leaves: Leaves, changed: Iterable[tuple[int, Anonymized]]) -> dict[str, int]:
    """Put changed texts in their places, and return how many findings there were by entity."""
    counts: dict[str, int] = {}
    for number, one in changed:
        leaves.containers[number][leaves.keys[number]] = one.text
        for entity, count in one.counts.items():
            counts[entity] = counts.get(entity, 0) + count
    return counts


def leaves_of(holder: list[Any], paths: Sequence[DocumentPath]) -> Leaves:
    """Return the strings below the paths, each once.

    Raises:
        BadRequestError: if there are too many.
    """
    leaves = Leaves()
    pending = []
    for path in paths:
        for container, key in path.places(holder):
            value = container[key]
            if isinstance(value, str):
                leaves.containers.append(container)
                leaves.keys.append(key)
                leaves.texts.append(value)
            elif isinstance(value, _CONTAINERS):
                pending.append(value)
            elif isinstance(value, float):
                leaves.floats += 1
    if not descend(pending, leaves, MAX_LEAVES):
        raise BadRequestError(f"the document has more than {MAX_LEAVES} texts")
    if len(paths) != 1 or not isinstance(paths[0], Pointer):
        # One path may lead to what another does, and a JSONPath to what it led to; all places of a pointer lie as deep.
        places = zip(leaves.containers, leaves.keys, leaves.texts, strict=True)
        once = {(id(container), key): (container, key, text) for container, key, text in places}.values()
        leaves.containers, leaves.keys, leaves.texts = ([one[column] for one in once] for column in range(3))
    return leaves
