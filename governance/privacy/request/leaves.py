"""The strings of a JSON document: collected below paths, and replaced by changed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.errors import BadRequestError
from governance.privacy.change.text import Anonymized, AnonymizeTexts
from governance.privacy.native import in_c
from governance.privacy.request.paths import DocumentPath, JsonPointer

MAX_LEAVES = 100_000
_CONTAINERS = (dict, list)

# Takes texts, and returns only those that are changed, each with its index.
ChangeTexts = Callable[[Sequence[str]], Iterable[tuple[int, Anonymized]]]


@dataclass(slots=True)
class Leaves:
    """Strings of a document with their places, and counts that `plain` needs.

    Attributes:
        containers: The object or list that holds each string.
        keys: The name or index of each string in its container.
        texts: The strings.
        members: How many members all objects have together.
        floats: How many floating-point numbers the document has.
    """

    containers: list[Any] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    members: int = 0
    floats: int = 0


@in_c
def descend(pending: list[Any], leaves: Leaves, most: int) -> bool:
    """Add all strings in these objects and lists to `leaves`, and return whether there are at most `most` of them.

    Args:
        pending: Objects and lists to search; it is empty afterwards, unless there are too many strings.
        leaves: Receives the strings.
        most: Largest number of strings.
    """
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


def change_text(document: Any, paths: Sequence[DocumentPath], anonymize: AnonymizeTexts) -> tuple[Any, dict[str, int]]:
    """Return a document with every string below the paths anonymized, and the number of findings by entity.

    `{"a": "mail ada@example.org"}` becomes `{"a": "mail <EMAIL_ADDRESS>"}` and `{"EMAIL_ADDRESS": 1}`.

    Args:
        document: Any JSON value; objects and lists in it are changed in place.
        paths: Where its free text is.
        anonymize: Changes texts.

    Raises:
        BadRequestError: If there are more than `MAX_LEAVES` strings.
    """

    def changes(texts: Sequence[str]) -> Iterable[tuple[int, Anonymized]]:
        return [(number, changed) for number, changed in enumerate(anonymize(texts)) if changed.counts]

    holder = [document]
    counts = change_leaves(holder, paths, changes)
    return holder[0], counts


def change_leaves(holder: list[Any], paths: Sequence[DocumentPath], changes: ChangeTexts) -> dict[str, int]:
    """Anonymize every string below the paths in place, and return the number of findings by entity.

    Args:
        holder: A list whose only element is the document.
        paths: Where its free text is.
        changes: Returns the changed texts, each with its index.

    Raises:
        BadRequestError: If there are more than `MAX_LEAVES` strings.
    """
    leaves = leaves_of(holder, paths)
    return put_back(leaves, changes(leaves.texts))


def put_back(leaves: Leaves, changed: Iterable[tuple[int, Anonymized]]) -> dict[str, int]:
    """Write changed texts to the places of the old ones, and return the number of findings by entity.

    Args:
        leaves: The strings and their places.
        changed: Changed texts, each with its index in `leaves`.
    """
    counts: dict[str, int] = {}
    for number, one in changed:
        leaves.containers[number][leaves.keys[number]] = one.text
        for entity, count in one.counts.items():
            counts[entity] = counts.get(entity, 0) + count
    return counts


def leaves_of(holder: list[Any], paths: Sequence[DocumentPath]) -> Leaves:
    """Collect the strings below the paths, each once, even where several paths match it.

    Args:
        holder: A list whose only element is the document.
        paths: Where its free text is.

    Raises:
        BadRequestError: If there are more than `MAX_LEAVES` strings.
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
    if len(paths) != 1 or not isinstance(paths[0], JsonPointer):
        # Two paths may match one string, and a JSONPath may match both an object and its members. The places of one
        # pointer are all at one depth, so that none contains another.
        places = zip(leaves.containers, leaves.keys, leaves.texts, strict=True)
        once = {(id(container), key): (container, key, text) for container, key, text in places}.values()
        leaves.containers, leaves.keys, leaves.texts = ([one[column] for one in once] for column in range(3))
    return leaves
