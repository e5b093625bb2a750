"""What callers may do: policies, grants, the kill switch, limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from governance.settings.section import Name, Section


class PolicySettings(Section):
    """Cedar: policies (a file, or a folder of `*.cedar`) and schema; entities and template links from JSON files.

    `shadow` are candidate policies: they decide on every request too, which is logged and counted, and not enforced.
    Changed files are taken over while the service runs; a broken change is refused, and the old policies stay.
    """

    policies: Path
    cedar_schema: Path
    entities: Path | None = None
    links: Path | None = None
    shadow: Path | None = None


class GrantSettings(Section):
    """Breaking the glass: grants in `directory`, signed by `threshold` of the trusted keys, for a listed reason."""

    directory: Path
    trusted_keys: tuple[Path, ...] = Field(min_length=1)
    threshold: int = Field(default=2, ge=2)
    reasons: tuple[Name, ...] = Field(min_length=1)
    max_minutes: int = Field(default=240, ge=1)


class StopSettings(Section):
    """The kill switch: a file that one of the trusted keys has signed, watched by every worker.

    `sign_with` is the key's URI for the command line, where it is kept on the same machine.
    """

    file: Path
    trusted_keys: tuple[Path, ...] = Field(min_length=1)
    sign_with: str | None = None


class LimitSettings(Section):
    """What each caller may do: `burst` calls at once, `rate_per_second` in the long run, so many at the same time, and
    so many requests and items (of all batches) a day in UTC."""

    rate_per_second: float | None = Field(default=None, gt=0)
    burst: int | None = Field(default=None, ge=1)
    concurrency: int | None = Field(default=None, ge=1)
    requests_per_day: int | None = Field(default=None, ge=1)
    items_per_day: int | None = Field(default=None, ge=1)


class LimitsSettings(LimitSettings):
    """Each caller's limits over everything, and at single models; and what this process takes on at all.

    `storage` is `memory` (each worker counts for itself) or a Redis URL (all replicas count together); when Redis is
    gone, `when_storage_fails` closes the service or lets each worker count for itself. `max_concurrent` requests are
    under way in one worker, `max_queue` wait for `max_wait_seconds` at most; all others get 503 at once.
    """

    rate_per_second: float | None = Field(default=1000.0, gt=0)
    burst: int | None = Field(default=2000, ge=1)
    max_callers: int = Field(default=100_000, ge=1)
    models: dict[Name, LimitSettings] = Field(default_factory=dict)
    storage: Annotated[str, Field(pattern=r"^(memory|rediss?://.+)$")] = "memory"
    when_storage_fails: Literal["closed", "local"] = "closed"
    max_concurrent: int = Field(default=256, ge=1)
    max_queue: int = Field(default=1024, ge=0)
    max_wait_seconds: float = Field(default=2.0, gt=0)
