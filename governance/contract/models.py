"""What plugins learn about models: `ModelLoad` when one was opened, `ModelRefusal` when one was not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Sections of a model's signed card that are demands on the service, not descriptions. The start is refused unless a
# plugin of the chain names the section in `Plugin.enforces`.
DEMANDS = frozenset({"privacy"})


@dataclass(frozen=True, slots=True)
class ModelLoad:
    """How the opening of one model ended; every plugin gets it once, by `Plugin.model_loaded`.

    Attributes:
        model: its name, as signed.
        version: its version, as signed.
        device: where the runtime proved that the model runs.
        ready: a model that is not ready is answered with 503.
        degraded: it runs on another device than the settings ask for first.
        seconds: how long the opening took.
        card: the content of `card.json`, as signed.
        profile: the bytes of `profile.json`, as signed; None if there is none.
        digest: SHA-256 of the signed manifest.
    """

    model: str
    version: str
    device: str
    ready: bool
    degraded: bool
    seconds: float
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)
    profile: bytes | None = field(default=None, repr=False)
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ModelRefusal:
    """A model that a worker did not open.

    Attributes:
        model: its name in the settings.
        reason: the code of the error.
    """

    model: str
    reason: str
