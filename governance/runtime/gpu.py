"""Memory and utilisation of the GPU that models run on, by NVML (nvidia-ml-py); no numbers without a GPU."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from governance.contract.measurements import Measurement
from governance.runtime.device import BOUND
from governance.settings import RuntimeSettings

# A call of the driver can take milliseconds.
LOOK_SECONDS = 5.0

logger = logging.getLogger("governance.runtime")


class GpuNumbers:
    """Reads NVML for the device of the settings every few seconds; after a failure it logs that and stops."""

    def __init__(
        self,
        settings: RuntimeSettings,
        nvml: Callable[[], Any] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = not BOUND.isdisjoint(settings.providers)
        self._device, self._nvml, self._monotonic = settings.device_id, nvml or _import_nvml, monotonic
        self._library: Any = None
        self._numbers: Sequence[Measurement] = ()
        self._look_again_at = float("-inf")

    def measurements(self) -> Iterable[Measurement]:
        """Return the used and the total bytes, and the share of time in which the device was busy."""
        now = self._monotonic()
        if self._wanted and now >= self._look_again_at:
            self._look_again_at = now + LOOK_SECONDS
            try:
                self._numbers = self._look()
            except Exception as error:
                # NVML has an error class for each missing part: library, driver, device, permission.
                logger.warning("no measurements of a GPU: %s", type(error).__name__)
                self._wanted, self._numbers = False, ()
        return self._numbers

    def _look(self) -> Sequence[Measurement]:
        if self._library is None:
            library = self._nvml()
            library.nvmlInit()
            self._library = library
        handle = self._library.nvmlDeviceGetHandleByIndex(self._device)
        memory = self._library.nvmlDeviceGetMemoryInfo(handle)
        busy = self._library.nvmlDeviceGetUtilizationRates(handle).gpu
        device = f"cuda:{self._device}"
        return (
            Measurement("gpu_memory_bytes", memory.used, (device, "used")),
            Measurement("gpu_memory_bytes", memory.total, (device, "total")),
            Measurement("gpu_utilization_ratio", busy / 100, (device,)),
        )


def _import_nvml() -> Any:
    import pynvml

    return pynvml
