"""`python -m benchmarks [serving|artifacts|access …]`: measure what the README claims, beside peers in one run."""

from __future__ import annotations

import sys
from importlib import import_module

KNOWN = ("serving", "artifacts", "access", "privacy", "metrics")


def main() -> None:
    """Run the named benchmarks, or all."""
    wanted = sys.argv[1:] or list(KNOWN)
    unknown = set(wanted) - set(KNOWN)
    if unknown:
        sys.exit(f"no benchmark '{unknown.pop()}'; there are: {', '.join(KNOWN)}")
    for name in wanted:
        print(f"== {name}")
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
