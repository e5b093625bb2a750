"""Events: what happens outside any request, such as a stopped model or changed policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EventAction = Literal[
    "log-open",
    "log-close",
    "floors",
    "stop-orders",
    "stop",
    "resume",
    "policy-reload",
    "break-glass",
    "break-glass-end",
    "shared-limits",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened outside any request: a model was stopped, policies were changed, a grant was used.

    Attributes:
        action: what happened, from a closed set.
        outcome: how it ended, from a closed set.
        subject: a model, a grant or a policy digest.
        reason: the operator's words for it.
        head: version of the signed file that the event is about: kind, sequence number and digest; it must never go
            back. The audit plugin refuses an event whose head is older than one in its log.
        by: name of the key that signed it.
        key_id: fingerprint of that key.
    """

    action: EventAction
    outcome: Literal["done", "refused"]
    subject: str
    reason: str
    head: str = ""
    by: str = ""
    key_id: str = ""
