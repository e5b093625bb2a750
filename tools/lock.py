"""Renews `constraints.txt`: one tested version of every package that the project installs, for all its Pythons.

    TORCH=torch==2.13.0 python -m tools.lock [NAME ...]

Without names every package gets its newest version that `pyproject.toml` allows; with names those packages alone, for
example `python -m tools.lock numpy onnx`. PyTorch and what only its CUDA builds need stay out, so that a constraint
never asks for a build that is not there. No address of a package index is written.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
OLDEST = "3.11"
# Which build of PyTorch a machine takes, with CUDA or without, is not ours to pin.
LEFT_OUT = re.compile(r"(torch|triton|cuda-[a-z-]+|nvidia-(?!ml-py)[a-z0-9-]+)==")
HEADER = """\
# One tested version of every package, for Python 3.11 and newer: pip install --constraint constraints.txt …
# Written by `make lock`; do not edit. PyTorch is left out: the Makefile pins it (TORCH).
"""


def render_constraints(compiled: str) -> str:
    """Return the file's text from the resolver's output: the pinned packages without those that are left out."""
    pins = [line for line in compiled.splitlines() if line and not line.startswith(("#", "-")) and "==" in line]
    return HEADER + "".join(f"{line}\n" for line in pins if not LEFT_OUT.match(line))


def compile_constraints(torch: str, upgraded: list[str]) -> str:
    """Resolve all extras and the build's requirements with uv; only `upgraded` packages change, all where it is empty.

    Raises `subprocess.CalledProcessError` where no set of versions satisfies all requirements, or no index answers.
    """
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    with tempfile.TemporaryDirectory() as folder:
        torch_pin, built_with, found = (Path(folder) / name for name in ("torch.txt", "build.in", "constraints.txt"))
        torch_pin.write_text(torch + "\n")
        built_with.write_text("\n".join(build) + "\n")
        if upgraded:
            # uv keeps the versions that its output file already names.
            found.write_text(CONSTRAINTS.read_text())
        command = [
            Path(sysconfig.get_path("scripts")) / "uv", "pip", "compile", "--quiet", "--universal", "--all-extras",
            "--python-version", OLDEST, "--constraints", torch_pin, "--no-annotate", "--no-header",
            "--no-emit-index-url", "--output-file", found, ROOT / "pyproject.toml", built_with,
            *(word for name in upgraded for word in ("--upgrade-package", name)),
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        return found.read_text()


def main() -> None:
    """Write `constraints.txt`, using the environment's `TORCH` and the packages named on the command line."""
    CONSTRAINTS.write_text(render_constraints(compile_constraints(os.environ["TORCH"], sys.argv[1:])))


if __name__ == "__main__":
    main()
