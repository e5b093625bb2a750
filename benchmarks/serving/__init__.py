"""Throughput and latency of governed inference, and of other servers with the same models, interleaved in one run.

Read `servers.py` (what is compared, and how each is started), `environments.py` (a virtual environment for each peer
that must not share ours), `calls.py` (what is sent, and which answer is right), `rounds.py` (the order of
measurements), `inside.py` (a call in one process, without HTTP), `report.py` (medians, ratios, the file of results).
"""

from benchmarks.serving.rounds import main

__all__ = ["main"]
