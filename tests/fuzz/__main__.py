"""`python -m tests.fuzz SECONDS [SEED]`: random requests at the digits service and the service of `tests/e2e/side`."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import fuzz
from tests.fuzz.services import services

FAILING = Path("build/fuzz")


def main() -> None:
    """Start the services, run, and end with status 1 if anything failed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    with tempfile.TemporaryDirectory() as folder, services(Path(folder)) as targets:
        outcome = asyncio.run(fuzz(targets, seconds, seed, FAILING, lambda line: print(line, flush=True)))
    for failure in outcome.failures[:50]:
        print(failure)
    if outcome.failures:
        sys.exit(f"fuzz: failed with seed {seed}; the requests are in {FAILING}")


if __name__ == "__main__":
    main()
