"""What callers may do: policies, emergency grants, the kill switch, limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from governance.settings.section import Name, Section


class PolicySettings(Section):
    """Cedar policies. Changed files are loaded while the service runs; an invalid change is logged and not used."""

    policies: Path = Field(
        description="File with policies, or folder whose `*.cedar` files are read. Policies that do not parse or do "
        "not fit the schema stop the start.",
        examples=["policies", "policy.cedar"],
    )
    cedar_schema: Path = Field(
        description="File with the Cedar schema that policies and entities are validated against.",
        examples=["schema.cedarschema"],
    )
    entities: Path | None = Field(
        default=None,
        description="JSON file with entities, in Cedar's format: roles in roles, groups in groups, attributes. "
        "Default: only the entities of the request.",
        examples=["entities.json"],
    )
    links: Path | None = Field(
        default=None,
        description="JSON file that fills the templates among the policies. Default: templates are not used.",
        examples=["links.json"],
    )
    shadow: Path | None = Field(
        default=None,
        description="Candidate policies (file or folder). They decide on every request too; their decision is logged "
        "and counted, and not enforced. Default: no candidate.",
        examples=["candidate.cedar"],
    )


class GrantSettings(Section):
    """Emergency grants ("break glass"): signed files that give policies an emergency reason to decide on."""

    directory: Path = Field(
        description="Folder with `*.grant` files. It is read again while the service runs; a file that is not valid "
        "is logged and ignored.",
        examples=["state/grants"],
    )
    trusted_keys: tuple[Path, ...] = Field(
        min_length=1,
        description="Files with the public keys of the persons who may sign grants.",
        examples=[["state/keys/head-of-ward.pub", "state/keys/privacy-officer.pub"]],
    )
    threshold: int = Field(
        default=2,
        ge=2,
        description="How many different trusted keys must have signed a grant.",
        examples=[3],
    )
    reasons: tuple[Name, ...] = Field(
        min_length=1,
        description="Reason codes that a grant may have. The code is `context.emergency` in policies.",
        examples=[["code-blue", "mass-casualty"]],
    )
    max_minutes: int = Field(
        default=240,
        ge=1,
        description="Longest duration of a grant, in minutes. A longer grant is not valid.",
        examples=[120],
    )


class StopSettings(Section):
    """The kill switch: a signed file that stops models. If it cannot be verified, all models are stopped."""

    file: Path = Field(
        description="The signed file, read by every worker several times a second. Keep it on a volume that all "
        "workers see.",
        examples=["state/stop.json"],
    )
    trusted_keys: tuple[Path, ...] = Field(
        min_length=1,
        description="Files with the public keys that may sign it; one signature is enough.",
        examples=[["state/keys/stop.key.pub"]],
    )
    sign_with: str | None = Field(
        default=None,
        description="URI of the private key that `bento-governance stop` and `resume` sign with. Leave it out where "
        "the key is kept on another machine; the commands then need `--sign-with`.",
        examples=["file:state/keys/stop.key"],
    )


class LimitSettings(Section):
    """The limits of each caller. A request beyond one answers 429 with `Retry-After`."""

    rate_per_second: float | None = Field(
        default=None,
        gt=0,
        description="Requests a second that each caller may make in the long run. Default: unlimited.",
        examples=[100.0],
    )
    burst: int | None = Field(
        default=None,
        ge=1,
        description="Requests that a caller may make at once before `rate_per_second` holds. Default: as many as the "
        "rate allows in one second.",
        examples=[200],
    )
    concurrency: int | None = Field(
        default=None,
        ge=1,
        description="Requests of one caller that may be in progress at the same time in one worker. Default: "
        "unlimited.",
        examples=[16],
    )
    requests_per_day: int | None = Field(
        default=None,
        ge=1,
        description="Requests of one caller in a day, which begins at midnight UTC. Default: unlimited.",
        examples=[10_000],
    )
    items_per_day: int | None = Field(
        default=None,
        ge=1,
        description="Items (the sizes of all batches) of one caller in a day in UTC; the last request may exceed it. "
        "Default: unlimited.",
        examples=[100_000],
    )


class LimitsSettings(LimitSettings):
    """Each caller's limits over all routes and for single models, and how much one worker accepts in total."""

    rate_per_second: float | None = Field(
        default=1000.0,
        gt=0,
        description="Requests a second that each caller may make in the long run, over all routes.",
        examples=[100.0],
    )
    burst: int | None = Field(
        default=2000,
        ge=1,
        description="Requests that a caller may make at once before `rate_per_second` holds.",
        examples=[200],
    )
    max_callers: int = Field(
        default=100_000,
        ge=1,
        description="Most callers whose counts one worker remembers. While all of them are in use, a new caller gets "
        "429.",
        examples=[10_000],
    )
    models: dict[Name, LimitSettings] = Field(
        default_factory=dict,
        description="Limits of each caller for single models, by the model's name, in addition to those over all "
        "routes.",
    )
    concurrency: int | None = Field(
        default=None,
        ge=1,
        description="Requests of one caller that may be in progress at the same time in one worker, those with an "
        "incomplete body and those in the queue included. Default: `caller_share` of `max_concurrent` and `max_queue` "
        "together.",
        examples=[16],
    )
    storage: Annotated[str, Field(pattern=r"^(memory|rediss?://.+)$")] = Field(
        default="memory",
        description="Where requests are counted: `memory` (each worker on its own), or the URL of a Redis in which "
        "all replicas count together.",
        examples=["redis://redis:6379/0"],
    )
    when_storage_fails: Literal["closed", "local"] = Field(
        default="closed",
        description="What happens while Redis does not answer: `closed` answers 503, `local` lets each worker count "
        "on its own.",
        examples=["local"],
    )
    max_concurrent: int = Field(
        default=256,
        ge=1,
        description="Requests that one worker handles at the same time, each from the end of its body. Further ones "
        "wait in a queue. `/metrics` and probes need no place.",
        examples=[64],
    )
    max_queue: int = Field(
        default=1024,
        ge=0,
        description="Requests that may wait in one worker. If the queue is full, a request answers 503 at once.",
        examples=[128],
    )
    caller_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Part of `max_concurrent`, and of `max_queue`, that one caller may have, so that one caller cannot "
        "shut out the others. 1 for a service with one caller.",
        examples=[1.0],
    )
    max_wait_seconds: float = Field(
        default=2.0,
        gt=0,
        description="Seconds that a request may wait. It answers 503 afterwards, or at once if it would have to wait "
        "longer.",
        examples=[0.5],
    )
