"""Where the microseconds of a governed call go: `python -m benchmarks profile`, in process, without HTTP.

It prints what `benchmarks.serving` measures inside one process, in a minute, and writes no file: for work on the hot
path, before and after a change. Compare rows of one run; on a busy machine all of them grow.
"""

from __future__ import annotations

import os

from benchmarks.serving.inside import measure_inside
from benchmarks.serving.servers import PLUGINS

MODEL = "digits-cnn"


def main() -> None:
    """Measure and print one row for the model alone, the gate, and each plugin."""
    found = measure_inside(MODEL, min(os.sched_getaffinity(0)))
    print(f"{MODEL}, binary, 16 calls at a time; µs of CPU for a call")
    print(f"{'least ASGI application, with the model':<40} {found['least']:>7.1f}")
    for name in ("gate and protocol", *PLUGINS):
        print(f"{'+ ' + name:<40} {found[name]:>7.1f}")
    print(f"{'governance: all plugins, without the first row':<40} {found['governance']:>7.1f}")
