"""Generates the committed files that are made from other files, and checks that they are current.

    python -m tools.generate            write every stale file (`make generate`)
    python -m tools.generate --check    write nothing; fail and name the stale files (`make check`)
    python -m tools.generate NAME ...   only these generators

To add a generator, write a function that returns the files' texts by path, and list it in `GENERATORS`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deploy.prometheus import runbook
from deploy.prometheus.cases import promtool
from helm import dashboards, values
from tools import chart
from tools.performance import performance_files
from tools.reference import reference_files

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Generator:
    """A named function that makes files.

    Attributes:
        name: its name on the command line.
        files: returns the text of each file by its path (a string or a `Path`) relative to the repository's root. It
            must return the same texts at every call: no dates, no paths of this machine.
        owned: glob patterns. A file that matches and that `files` does not return is left over, and is removed.
    """

    name: str
    files: Callable[[], Mapping[str, str] | Mapping[Path, str]]
    owned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stale:
    """A file that is not as its generator makes it; `text` is what it should contain, None if it should not exist."""

    path: str
    generator: str
    reason: Literal["missing", "out of date", "left over"]
    text: str | None


GENERATORS = (
    Generator("dashboards", dashboards.files, owned=(f"{dashboards.FOLDER}/*",)),
    Generator("chart-values", values.files),
    Generator("chart-version", chart.files),
    Generator("rule-tests", promtool.files, owned=(f"{promtool.FOLDER}/*",)),
    Generator("runbook", runbook.files, owned=("deploy/prometheus/pages/*",)),
    Generator("performance", performance_files),
    Generator("reference", reference_files, owned=("docs/reference/*",)),
)


def stale_files(generators: Iterable[Generator], root: Path) -> list[Stale]:
    """Return every generated file that is missing, out of date, or left over.

    Args:
        generators: the generators to run.
        root: the folder that paths are relative to.

    Raises:
        ValueError: two generators return the same path.
    """
    found: list[Stale] = []
    owners: dict[str, str] = {}
    for generator in generators:
        made = {Path(path).as_posix(): text for path, text in generator.files().items()}
        for path in made:
            if path in owners:
                raise ValueError(f"{path} is made by two generators: {owners[path]} and {generator.name}")
            owners[path] = generator.name
        found += _stale(generator, made, root)
    return found


def _stale(generator: Generator, made: Mapping[str, str], root: Path) -> Iterator[Stale]:
    for path, text in made.items():
        file = root / path
        if not file.is_file():
            yield Stale(path, generator.name, "missing", text)
        elif file.read_bytes() != text.encode():
            yield Stale(path, generator.name, "out of date", text)
    for pattern in generator.owned:
        for file in sorted(root.glob(pattern)):
            path = file.relative_to(root).as_posix()
            if file.is_file() and path not in made:
                yield Stale(path, generator.name, "left over", None)


def write(stale: Iterable[Stale], root: Path) -> None:
    """Write the files as their generators make them, and remove those that are left over."""
    for file in stale:
        path = root / file.path
        if file.text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.text.encode())


def main(arguments: Sequence[str], generators: Sequence[Generator] = GENERATORS, root: Path = ROOT) -> int:
    """Run the command line; return the exit status: 0, or 1 if `--check` found a stale file.

    Args:
        arguments: the words of the command line.
        generators: the generators to choose from.
        root: the folder that paths are relative to.
    """
    known = {generator.name: generator for generator in generators}
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description="Generate committed files.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these generators: {', '.join(known)}")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no generator is named {', '.join(unknown)}; there are {', '.join(known)}")
    stale = stale_files([known[name] for name in options.names or known], root)
    if options.check:
        return _report(stale)
    write(stale, root)
    for file in stale:
        print(f"{'removed' if file.text is None else 'wrote'} {file.path}")
    return 0


def _report(stale: Sequence[Stale]) -> int:
    """Print the stale files to stderr with the command that renews them; return the exit status."""
    for file in stale:
        print(f"{file.path} is {file.reason} (generator {file.generator})", file=sys.stderr)
    if stale:
        print(f"{len(stale)} generated file(s) are stale: run `make generate` and commit the result.", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
