"""Virtual environments of peers that cannot share ours, made by plain pip at the first use, in `.state/peers/`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".state/peers"
PIP_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Environment:
    """One virtual environment.

    Attributes:
        name: its folder in `.state/peers/`.
        packages: what pip installs, with versions that were tried.
        megabytes: its size on disk, roughly.
    """

    name: str
    packages: tuple[str, ...]
    megabytes: int

    @property
    def folder(self) -> Path:
        """The environment's folder."""
        return FOLDER / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin/python"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie."""
        return self.folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"

    def make(self) -> str:
        """Install what is missing, and return why that failed, or an empty string."""
        done = self.folder / "installed.json"
        wanted = json.dumps(self.packages)
        if done.exists() and done.read_text() == wanted:
            return ""
        print(
            f"{self.name}: installing {', '.join(self.packages)} into {self.folder} (about {self.megabytes} MB)",
            flush=True,
        )
        started = time.monotonic()
        venv.create(self.folder, with_pip=True, clear=True)
        command = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.packages]
        # Versions that are fixed for our environment do not bind a peer's.
        environment = {key: value for key, value in os.environ.items() if key not in ("PIP_CONSTRAINT", "PYTHONPATH")}
        try:
            result = subprocess.run(
                command, check=False, env=environment, capture_output=True, text=True, timeout=PIP_SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"pip did not end within {PIP_SECONDS} s"
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
            return errors[-1] if errors else f"pip failed with status {result.returncode}"
        done.write_text(wanted)
        print(f"{self.name}: installed in {time.monotonic() - started:.0f} s", flush=True)
        return ""

    def version(self, package: str) -> str:
        """Return the installed version of a package."""
        program = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
        result = subprocess.run([self.python, "-c", program, package], capture_output=True, text=True, check=True)
        return result.stdout.strip()
