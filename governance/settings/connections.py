"""HTTP connections, and what the console shows."""

from __future__ import annotations

from pydantic import Field

from governance.settings.section import Section


class HttpSettings(Section):
    """Deadlines and sizes of HTTP connections, and the end of a worker."""

    head_seconds: float = Field(
        default=10.0,
        gt=0,
        description="Seconds that the head of a request may take to arrive, from the beginning of the connection or, "
        "on a connection that is used again, from its first byte. A later one answers 408.",
        examples=[5.0],
    )
    head_bytes: int = Field(
        default=65_536,
        ge=1024,
        description="Most bytes of a request's head. A longer one answers 431.",
        examples=[16_384],
    )
    body_seconds: float = Field(
        default=20.0,
        gt=0,
        description="Seconds that the body of a request may take to arrive, in addition to the time that its bytes "
        "take at `body_bytes_per_second`. A later one answers 408.",
        examples=[5.0],
    )
    body_bytes_per_second: int = Field(
        default=10_000,
        ge=1,
        description="Slowest average speed of a long body, in bytes a second.",
        examples=[100_000],
    )
    unfinished_bytes: int = Field(
        default=256 * 2**20,
        ge=2**20,
        description="Memory of one worker for bodies that have not arrived completely, in bytes. One caller may use "
        "half of it. Beyond, a request answers 503.",
        examples=[1_073_741_824],
    )
    drain_seconds: float = Field(
        default=1.0,
        ge=0,
        le=20,
        description="Seconds for which a worker takes requests after SIGTERM: its readiness has fallen, and each "
        "answer closes its connection. Make it longer than the interval at which a load balancer asks `/readyz`, and "
        "at most 20: BentoML kills its workers after 30 seconds.",
        examples=[10.0],
    )


class LogSettings(Section):
    """What the console shows of requests. Never anything that a caller sent."""

    refusals: bool = Field(
        default=True,
        description="Show one line for each refused or failed request: status, error code, method, route, model and "
        "request id.",
        examples=[False],
    )
    refusals_per_second: int = Field(
        default=10,
        ge=1,
        description="Most such lines a second in each worker. Further ones are counted, and their number is shown.",
        examples=[100],
    )
    tracebacks: bool = Field(
        default=False,
        description="For development: show tracebacks with their texts when the service's own code fails. The texts "
        "may contain data of callers, so leave it off where callers are real. Answers never contain them.",
        examples=[True],
    )
