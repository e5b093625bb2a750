"""Cedar entities: the few that a request needs, from a file that may hold many.

Callers, models and services of the file are looked up one by one; all others (roles, groups, what they refer to) are
parsed once, and shared by every request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import cedarpy

from governance.access.policies.index import Uid
from governance.access.policies.text import parsed

INDIVIDUALS = frozenset({"Caller", "Model", "Service"})

Entity = Mapping[str, Any]


class Entities:
    """The entities of one file.

    Args:
        text: Cedar's JSON: `[{"uid": {"type", "id"}, "attrs": {…}, "parents": […]}]`.
        schema: Cedar schema; every entity must fit it.
        mentioned: Cedar JSON in which individuals may be named (the policies).

    Raises:
        ConfigurationError: if the text is no such list, or does not fit the schema.
    """

    def __init__(self, text: str, schema: str, mentioned: Iterable[Any], name: str) -> None:
        handle = parsed(
            partial(cedarpy.Entities.from_json_str, text, schema), f"{name}: the entities do not fit the schema"
        )
        # Cedar writes them back with every reference marked as one, so that they can be read without the schema.
        entities: list[Entity] = json.loads(str(handle))
        self._all = {_uid(entity["uid"]): entity for entity in entities}
        shared = {uid for uid in self._all if uid[0] not in INDIVIDUALS}
        self._shared = self._reachable(shared | set(_named([*mentioned])))
        self._base = self._parse(self._shared)

    def ancestors(self, uids: Iterable[Uid]) -> set[Uid]:
        """Return these entities and all that they are in."""
        found: set[Uid] = set()
        pending = list(uids)
        while pending:
            uid = pending.pop()
            if uid not in found:
                found.add(uid)
                pending.extend(map(_uid, self._all.get(uid, {}).get("parents", ())))
        return found

    def parents(self, uid: Uid) -> list[Uid]:
        """Return what the file says that an entity is in."""
        return [_uid(parent) for parent in self._all.get(uid, {}).get("parents", ())]

    def with_individuals(self, individuals: Sequence[tuple[Uid, Mapping[str, Any], Iterable[Uid]]]) -> cedarpy.Entities:
        """Return the shared entities and these: uid, attributes, parents; what the file says of them counts too."""
        merged = [self._merged(*individual) for individual in individuals]
        own = {uid for uid, _, _ in individuals}
        also = self._reachable(set(_named(merged)) - own) - own - self._shared
        added = [*merged, *(self._all[uid] for uid in also)]
        base = self._base if not own & self._shared else self._parse(self._shared - own)
        return base.with_added_json_str(json.dumps(added))

    def _merged(self, uid: Uid, attributes: Mapping[str, Any], parents: Iterable[Uid]) -> dict[str, Any]:
        known = self._all.get(uid, {})
        return {
            "uid": {"type": uid[0], "id": uid[1]},
            "attrs": {**known.get("attrs", {}), **attributes},
            "parents": [{"type": kind, "id": name} for kind, name in sorted({*parents, *self.parents(uid)})],
        }

    def _reachable(self, uids: Iterable[Uid]) -> set[Uid]:
        """Return those of the file that attributes and parents lead to."""
        found: set[Uid] = set()
        pending = [uid for uid in uids if uid in self._all]
        while pending:
            uid = pending.pop()
            if uid not in found:
                found.add(uid)
                pending.extend(other for other in _named(self._all[uid]) if other in self._all)
        return found

    def _parse(self, uids: Iterable[Uid]) -> cedarpy.Entities:
        return cedarpy.Entities.from_json_str(json.dumps([self._all[uid] for uid in sorted(uids)]))


def _named(value: Any) -> Iterator[Uid]:
    """Yield every entity that a piece of Cedar JSON names."""
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str) and isinstance(value.get("id"), str):
            yield value["type"], value["id"]
        for item in value.values():
            yield from _named(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item)


def _uid(value: Mapping[str, Any]) -> Uid:
    inner = value.get("__entity", value)
    return inner["type"], inner["id"]
