"""`python -m benchmarks [NAME …]`: run benchmarks, all but `gpu` by default; write results/*.json.

`python -m benchmarks NAME --option` passes what follows a single name to it, such as `serving --quick`.
"""

from __future__ import annotations

import sys
from importlib import import_module

KNOWN = ("serving", "artifacts", "access", "privacy", "metrics")
# Run only if they are named: one needs a device to say anything, one prints and writes no results, one needs a folder
# with real text.
BY_NAME = ("gpu", "profile", "real_text")
WITH_OPTIONS = ("serving", "gpu")


def main() -> None:
    """Run the benchmarks that the command line names, or all of them."""
    first = next((place for place, word in enumerate(sys.argv) if word.startswith("-")), len(sys.argv))
    wanted, options = sys.argv[1:first] or list(KNOWN), sys.argv[first:]
    if options and (len(wanted) > 1 or wanted[0] not in WITH_OPTIONS):
        sys.exit(f"options are for one of these alone: {', '.join(WITH_OPTIONS)}")
    unknown = set(wanted) - {*KNOWN, *BY_NAME}
    if unknown:
        sys.exit(f"no benchmark '{unknown.pop()}'; there are: {', '.join((*KNOWN, *BY_NAME))}")
    for name in wanted:
        print(f"== {name}")
        main_of = import_module(f"benchmarks.{name}").main
        main_of(options) if name in WITH_OPTIONS else main_of()


if __name__ == "__main__":
    main()
