"""Say which loops were compiled: `python -m governance.privacy.native`."""

from __future__ import annotations

from importlib.util import find_spec

MODULES = ("batches", "candidate_filter", "checks", "leaves", "overlaps", "plain", "words")


def main() -> None:
    """Print a line for each file of loops."""
    for module in MODULES:
        is_there = find_spec(f"{__package__}.{module}") is not None
        print(f"{module:<16} {'compiled' if is_there else 'in Python: no compiler was there, or it failed'}")


if __name__ == "__main__":
    main()
