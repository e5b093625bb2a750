"""Breaking the glass: a grant lets a caller do for a short while what policies permit only in an emergency.

It is a file signed by two keys (or as many as the settings ask for), with a reason code and an end. It permits nothing
by itself: it puts its reason into the policies' context (`context.emergency`), and they decide what that opens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from governance.access.stop import ALL
from governance.errors import GovernanceError, SignatureError
from governance.files import Fingerprint, fingerprint, read_limited
from governance.keys import VerifyingKey
from governance.keys.dsse import verify_document

PAYLOAD_TYPE = "application/vnd.bento-governance.grant+json"
SUFFIX = ".grant"
MAX_BYTES, MAX_FILES = 64 * 1024, 256
# Clocks differ: a grant that was signed a moment ago elsewhere has begun.
SKEW_SECONDS = 60

logger = logging.getLogger("governance.policy")


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom it lets do what; `begins` and `ends` are Unix seconds."""

    id: str
    caller: str
    actions: tuple[str, ...]
    models: tuple[str, ...]
    reason: str
    begins: int
    ends: int

    def covers(self, caller: str, action: str, model: str | None, now: float) -> bool:
        """Return whether it speaks of this request."""
        return (
            caller == self.caller
            and action in self.actions
            and (ALL in self.models or model in self.models)
            and self.begins - SKEW_SECONDS <= now < self.ends
        )

    def to_document(self) -> dict[str, Any]:
        """Return what is signed."""
        return {**asdict(self), "actions": list(self.actions), "models": list(self.models)}


@dataclass(frozen=True, slots=True)
class GrantRules:
    """Which grants count: signed by `threshold` of the trusted, for a listed reason, for no longer than allowed."""

    trusted: tuple[VerifyingKey, ...]
    threshold: int
    reasons: frozenset[str]
    max_seconds: int

    def verify(self, content: bytes) -> Grant:
        """Return the grant in a file.

        Raises:
            SignatureError: if too few signed it, or it is not such as the rules allow.
        """
        document, _ = verify_document(content, PAYLOAD_TYPE, self.trusted, self.threshold)
        grant = parse_grant(document)
        if grant.reason not in self.reasons:
            raise SignatureError("its reason code is not one that the settings list")
        if not 0 < grant.ends - grant.begins <= self.max_seconds:
            raise SignatureError(f"it holds for longer than {self.max_seconds // 60} minutes, or for no time at all")
        return grant


def parse_grant(document: Mapping[str, Any]) -> Grant:
    """Read a grant.

    Raises:
        SignatureError: if it has a wrong form.
    """
    try:
        texts = [document[name] for name in ("id", "caller", "reason")]
        lists = [document[name] for name in ("actions", "models")]
        times = [document[name] for name in ("begins", "ends")]
        good = (
            len(document) == 7
            and all(isinstance(item, str) and 0 < len(item) <= 256 for item in texts)
            and all(isinstance(item, list) and item and all(isinstance(word, str) for word in item) for item in lists)
            and all(isinstance(item, int) and not isinstance(item, bool) for item in times)
        )
    except (LookupError, TypeError):
        good = False
    if not good:
        raise SignatureError("what was signed is no grant")
    return Grant(texts[0], texts[1], tuple(lists[0]), tuple(lists[1]), texts[2], times[0], times[1])


class GrantFolder:
    """The grants in a folder, `*.grant`; taking a file away ends its grant."""

    def __init__(self, folder: Path, rules: GrantRules, clock: Callable[[], float]) -> None:
        self._folder, self._rules, self._clock = folder, rules, clock
        self._seen: dict[Path, Fingerprint | None] = {}
        self._grants: dict[Path, Grant] = {}

    def look(self) -> tuple[Sequence[Grant], Sequence[Grant], Sequence[str]]:
        """Read what changed, and return the grants that came, those that went, and the names of files refused."""
        files = {path: fingerprint(path) for path in sorted(self._folder.glob(f"*{SUFFIX}"))[:MAX_FILES]}
        if files == self._seen:
            return (), (), ()
        before, refused = dict(self._grants), []
        for path in set(self._grants) - set(files):
            del self._grants[path]
        for path, seen in files.items():
            if seen == self._seen.get(path):
                continue
            self._grants.pop(path, None)
            try:
                self._grants[path] = self._rules.verify(read_limited(path, MAX_BYTES))
            except GovernanceError as error:
                logger.error("the grant %s is refused: %s", path.name, error)
                refused.append(path.name)
        self._seen = files
        came = [grant for path, grant in self._grants.items() if before.get(path) != grant]
        went = [grant for path, grant in before.items() if self._grants.get(path) != grant]
        return came, went, refused

    def ends(self) -> Sequence[int]:
        """Return when the grants end (Unix seconds)."""
        return [grant.ends for grant in self._grants.values()]

    def find(self, caller: str, action: str, model: str | None) -> Grant | None:
        """Return a grant that speaks of this request, now."""
        if not self._grants:
            return None
        now = self._clock()
        return next((grant for grant in self._grants.values() if grant.covers(caller, action, model, now)), None)
