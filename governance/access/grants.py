"""Emergency grants ("break glass"): signed files that let a caller do for a limited time what policies permit then.

A grant has a reason code and an end, and is signed by as many keys as the settings require. It permits nothing by
itself: its reason becomes `context.emergency` of a policy decision, and the policies decide what that permits.
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
# Tolerated difference of clocks at the beginning of a grant.
SKEW_SECONDS = 60

logger = logging.getLogger("governance.policy")


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant.

    Attributes:
        id: Random id, for the audit log.
        service: Name of the service that it is for.
        caller: Id of the caller that may use it.
        actions: Cedar actions that it is for.
        models: Models that it is for; `*` means every model.
        reason: Reason code, one of those in the settings.
        begins: Unix seconds.
        ends: Unix seconds.
    """

    id: str
    service: str
    caller: str
    actions: tuple[str, ...]
    models: tuple[str, ...]
    reason: str
    begins: int
    ends: int

    def covers(self, caller: str, action: str, model: str | None, now: float) -> bool:
        """Return whether the grant is for this request at the time `now` (Unix seconds)."""
        return (
            caller == self.caller
            and action in self.actions
            and (ALL in self.models or model in self.models)
            and self.begins - SKEW_SECONDS <= now < self.ends
        )

    def to_document(self) -> dict[str, Any]:
        """Return the JSON document that is signed."""
        return {**asdict(self), "actions": list(self.actions), "models": list(self.models)}


@dataclass(frozen=True, slots=True)
class GrantRules:
    """Which grants are valid.

    Attributes:
        service: Name of the service; grants for another one are not valid.
        trusted: Keys whose signatures count.
        threshold: Number of trusted keys that must have signed.
        reasons: Accepted reason codes.
        max_seconds: Longest accepted time between beginning and end.
    """

    service: str
    trusted: tuple[VerifyingKey, ...]
    threshold: int
    reasons: frozenset[str]
    max_seconds: int

    def verify(self, content: bytes) -> Grant:
        """Return the grant in the content of a file.

        Raises:
            SignatureError: if too few trusted keys signed it, it is for another service, the reason is not listed, or
                the time is too long.
        """
        document, _ = verify_document(content, PAYLOAD_TYPE, self.trusted, self.threshold)
        grant = parse_grant(document)
        if grant.service != self.service:
            raise SignatureError(f"it is not for the service '{self.service}'")
        if grant.reason not in self.reasons:
            raise SignatureError("its reason code is not listed in the settings")
        if not 0 < grant.ends - grant.begins <= self.max_seconds:
            raise SignatureError(f"it is valid for more than {self.max_seconds // 60} minutes, or for no time")
        return grant


def parse_grant(document: Mapping[str, Any]) -> Grant:
    """Parse the document of a grant.

    Raises:
        SignatureError: if it has a wrong form.
    """
    try:
        texts = [document[name] for name in ("id", "service", "caller", "reason")]
        lists = [document[name] for name in ("actions", "models")]
        times = [document[name] for name in ("begins", "ends")]
        good = (
            len(document) == 8
            and all(isinstance(item, str) and 0 < len(item) <= 256 for item in texts)
            and all(isinstance(item, list) and item and all(isinstance(word, str) for word in item) for item in lists)
            and all(isinstance(item, int) and not isinstance(item, bool) for item in times)
        )
    except (LookupError, TypeError):
        good = False
    if not good:
        raise SignatureError("the signed document is not a grant")
    grant_id, service, caller, reason = texts
    return Grant(grant_id, service, caller, tuple(lists[0]), tuple(lists[1]), reason, times[0], times[1])


class GrantFolder:
    """The valid grants in a folder (`*.grant`); removing a file ends its grant.

    Args:
        folder: The folder.
        rules: Which grants are valid.
        clock: Returns Unix seconds.
    """

    def __init__(self, folder: Path, rules: GrantRules, clock: Callable[[], float]) -> None:
        self._folder, self._rules, self._clock = folder, rules, clock
        self._seen: dict[Path, Fingerprint | None] = {}
        self._grants: dict[Path, Grant] = {}

    def reload(self) -> tuple[Sequence[Grant], Sequence[Grant], Sequence[str]]:
        """Read new and changed files; return new grants, ended grants, and the names of files that are not valid."""
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
                logger.error("the grant %s is not valid: %s", path.name, error)
                refused.append(path.name)
        self._seen = files
        came = [grant for path, grant in self._grants.items() if before.get(path) != grant]
        went = [grant for path, grant in before.items() if self._grants.get(path) != grant]
        return came, went, refused

    def ends(self) -> Sequence[int]:
        """Return the end of each grant (Unix seconds)."""
        return [grant.ends for grant in self._grants.values()]

    def find(self, caller: str, action: str, model: str | None) -> Grant | None:
        """Return a grant for this request that is valid now, or None."""
        if not self._grants:
            return None
        now = self._clock()
        return next((grant for grant in self._grants.values() if grant.covers(caller, action, model, now)), None)
