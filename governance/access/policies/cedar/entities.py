"""Cedar entities: those that a request needs, out of a file that may contain many.

Callers, models and services of the file are added to a request one by one; all others (roles, groups and what they
refer to) are parsed once and shared by all requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import cedarpy

from governance.access.policies.cedar.index import Uid
from governance.access.policies.cedar.text import parsed

INDIVIDUALS = frozenset({"Caller", "Model", "Service"})

Entity = Mapping[str, Any]


class Entities:
    """The entities of one file.

    Args:
        text: Cedar JSON: `[{"uid": {"type": …, "id": …}, "attrs": {…}, "parents": […]}]`.
        schema: Text of the schema that every entity must fit.
        mentioned: Cedar JSON of the policies; callers, models and services that it names are shared too.
        name: Name of the policies, for error messages.

    Raises:
        ConfigurationError: if the text is not such a list, or does not fit the schema.
    """

    def __init__(self, text: str, schema: str, mentioned: Iterable[Any], name: str) -> None:
        handle = parsed(
            partial(cedarpy.Entities.from_json_str, text, schema), f"{name}: the entities do not fit the schema"
        )
        # In Cedar's own output every reference is marked as one, so that references are found without the schema.
        entities: list[Entity] = json.loads(str(handle))
        self._all = {_uid(entity["uid"]): entity for entity in entities}
        shared = {uid for uid in self._all if uid[0] not in INDIVIDUALS}
        named = set(_named([*mentioned]))
        # Every entity that the file or a policy names.
        self.known = frozenset({*self._all, *named})
        self._shared = self._reachable(shared | named)
        self._base = self._parse(self._shared)

    def ancestors(self, uids: Iterable[Uid]) -> set[Uid]:
        """Return these entities and all their ancestors."""
        found: set[Uid] = set()
        pending = list(uids)
        while pending:
            uid = pending.pop()
            if uid not in found:
                found.add(uid)
                pending.extend(map(_uid, self._all.get(uid, {}).get("parents", ())))
        return found

    def parents(self, uid: Uid) -> list[Uid]:
        """Return the parents of an entity in the file."""
        return [_uid(parent) for parent in self._all.get(uid, {}).get("parents", ())]

    def with_individuals(self, individuals: Sequence[tuple[Uid, Mapping[str, Any], Iterable[Uid]]]) -> cedarpy.Entities:
        """Return the shared entities and the given ones.

        Args:
            individuals: Uid, attributes and parents of each; attributes and parents in the file are merged in.
        """
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
        """Return the entities of the file that are reachable by attributes and parents."""
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
    """Yield the uid of every entity that a Cedar JSON value contains."""
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
