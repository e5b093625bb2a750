"""`python -m benchmarks [serving|artifacts|access …]`: run benchmarks; write results/*.json."""

from __future__ import annotations

import sys
from importlib import import_module

KNOWN = ("serving", "artifacts", "access", "privacy", "metrics")


def main() -> None:
    """Run the benchmarks that the command line names, or all of them."""
    wanted = sys.argv[1:] or list(KNOWN)
    unknown = set(wanted) - set(KNOWN)
    if unknown:
        sys.exit(f"no benchmark '{unknown.pop()}'; there are: {', '.join(KNOWN)}")
    for name in wanted:
        print(f"== {name}")
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
