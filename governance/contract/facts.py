"""Facts: typed values about one request that servers and plugins share on its `Exchange`; each is written once.

Facts of a domain package are defined there: `Caller`, `Decision`, `KillSwitch`, `Redactions`, `ReplyFindings`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from governance.access.policies.output_detail import OutputTensors
from governance.contract.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may be answered without a credential and without a policy decision.

    A plugin in front of identity puts it, for example metrics for a scrape from a trusted network. Identity, limits and
    policy honour it; the audit log records it like any other request.

    Attributes:
        reason: why, for example `scrape from a trusted network`.
    """

    reason: str


def is_admitted(exchange: Exchange) -> bool:
    """Return whether a request needs no caller: its route is public, or a plugin has admitted it (`Admitted`)."""
    return exchange.route.public or exchange.get(Admitted) is not None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one inference used; the server that ran the model puts it.

    Attributes:
        model: the name of the model that ran, as signed.
        version: its version, as signed.
        model_digest: its digest, as signed.
        items: the size of the batch.
        inference_seconds: time inside the runtime alone.
        ended_ns: when the inference ended (`time.perf_counter_ns()`).
    """

    model: str
    version: str
    model_digest: str
    items: int
    inference_seconds: float
    ended_ns: int = field(default_factory=time.perf_counter_ns, compare=False)


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of the request; it is put only if the trace is recorded.

    Attributes:
        trace_id: the OpenTelemetry trace id, 32 hex digits.
    """

    trace_id: str


@dataclass(frozen=True, slots=True, repr=False)
class Inference:
    """All inputs and outputs of one inference; the server that ran the model puts it.

    The tensors belong to the request: a plugin that keeps values makes a copy.

    Attributes:
        model: the name of the model that ran.
        inputs: input tensors by name, the batch first.
        outputs: output tensors by name, the batch first.
    """

    model: str
    inputs: OutputTensors
    outputs: OutputTensors
