"""Print which files of inner loops are compiled: `python -m governance.privacy.native`."""

from __future__ import annotations

from importlib.util import find_spec

MODULES = ("candidate_filter", "checks", "joined_texts", "leaves", "overlaps", "plain", "words")


def main() -> None:
    """Print one line for each file.

    Example: `checks           compiled`.
    """
    for module in MODULES:
        is_compiled = find_spec(f"{__package__}.{module}") is not None
        print(f"{module:<16} {'compiled' if is_compiled else 'in Python: it was not compiled at installation'}")


if __name__ == "__main__":
    main()
