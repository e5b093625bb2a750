"""Cases of models: readiness, device, versions, GPU memory, and drift."""

from __future__ import annotations

from deploy.prometheus.cases.case import Case, Series
from deploy.prometheus.cases.series import constant, gauge

MODEL = {"model": "digits-cnn"}
ON_CPU = 'model="digits-cnn",version="1",device="cpu"'


def digests(*by_instance: str) -> Series:
    """Return one instance for each digest, which serves the artifact with that digest."""
    labels = 'model="digits-cnn",version="1"'
    return {
        f'governance_model_info{{job="governance",instance="{instance}",{labels},digest="{digest}"}}': constant(1)
        for instance, digest in enumerate(by_instance)
    }


def gpu_memory(used: float) -> Series:
    """Return a GPU with 100 bytes of memory, that many of them used."""
    used_series = gauge("gpu_memory_bytes", 'device="0",state="used"', used)
    return used_series | gauge("gpu_memory_bytes", 'device="0",state="total"', 100)


def drift(state: int) -> Series:
    """Return a model's drift state: 0 steady, 1 watch, 2 drifted."""
    return gauge("drift_state", 'model="digits-cnn"', state)


CASES = (
    Case(
        "GovernanceModelNotReady",
        gauge("model_ready", ON_CPU, 0),
        gauge("model_ready", ON_CPU, 1),
        1,
        2,
        labels={"instance": "a", **MODEL, "version": "1"},
    ),
    Case(
        "GovernanceModelDegraded",
        gauge("model_degraded", ON_CPU, 1),
        gauge("model_degraded", ON_CPU, 0),
        0,
        1,
        labels={"instance": "a", **MODEL, "device": "cpu"},
    ),
    Case("GovernanceModelVersionsDiffer", digests("x", "x", "y"), digests("x", "x", "x"), 59, 60, "2", MODEL),
    Case(
        "GovernanceGpuMemoryFull",
        gpu_memory(95.1),
        gpu_memory(94.9),
        9,
        10,
        "95.1%",
        {"instance": "a", "device": "0"},
    ),
    Case("GovernanceDriftWatch", drift(1), drift(0), 14, 15, labels=MODEL, also_silent=(drift(2),)),
    Case("GovernanceDrifted", drift(2), drift(1), 9, 10, labels=MODEL),
)
