"""The strings of a JSON document: where free text is, found by pointers, and put back changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from governance.errors import BadRequestError
from governance.privacy.paths import Path, Place
from governance.privacy.text import Anonymized

MAX_LEAVES = 100_000


def change_text(
    document: Any, paths: Sequence[Path], anonymize: Callable[[Sequence[str]], Sequence[Anonymized]]
) -> tuple[Any, dict[str, int]]:
    """Return the document with every string below the paths changed, and how many findings there were by entity.

    Raises:
        BadRequestError: if there are too many strings.
    """
    holder = [document]
    found = {(id(container), key): (container, key) for container, key in _strings(holder, paths)}
    places = list(found.values())
    counts: dict[str, int] = {}
    for (container, key), changed in zip(places, anonymize([container[key] for container, key in places]), strict=True):
        if changed.counts:
            container[key] = changed.text
            for entity, count in changed.counts.items():
                counts[entity] = counts.get(entity, 0) + count
    return holder[0], counts


def _strings(holder: list[Any], paths: Sequence[Path]) -> Iterator[Place]:
    pending: list[Place] = [place for path in paths for place in path.places(holder)]
    seen = 0
    while pending:
        container, key = pending.pop()
        value = container[key]
        if isinstance(value, str):
            seen += 1
            if seen > MAX_LEAVES:
                raise BadRequestError(f"the document has more than {MAX_LEAVES} texts")
            yield container, key
        elif isinstance(value, Mapping):
            pending.extend((value, name) for name in value)
        elif isinstance(value, list):
            pending.extend((value, number) for number in range(len(value)))
