"""The machine: versions of packages, disk, clock, port."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from governance import __version__
from governance.cli.doctor.finding import Finding
from governance.settings import Settings

VERSIONS, DISK, CLOCK, PORT = "versions", "disk", "clock", "port"
LEAST_FREE_BYTES = 2**30


def check_versions() -> Iterator[Finding]:
    """Compare the installed packages with what this distribution needs."""
    wrong = []
    for text in requires("bento-governance") or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            wrong.append((f"{wanted.name} is not installed", str(wanted)))
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            wrong.append(
                (f"{wanted.name} is {found}, and {wanted.specifier} is needed", f"{wanted.name}{wanted.specifier}")
            )
    for text, remedy in wrong:
        yield Finding(VERSIONS, "problem", text, f"pip install '{remedy}'")
    if not wrong:
        python = ".".join(map(str, sys.version_info[:3]))
        yield Finding(VERSIONS, "ok", f"bento-governance {__version__}, BentoML {version('bentoml')}, Python {python}")


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Look whether the audit log can be written, and for how long."""
    if settings.audit is None:
        yield Finding(DISK, "warning", "there is no [audit] section, so nothing is recorded", "add [audit]")
        return
    folder = settings.audit.directory
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        yield Finding(DISK, "problem", f"{existing} cannot be written, and the audit log is there", "correct its owner")
        return
    free = shutil.disk_usage(existing).free
    text = f"{free / 2**30:.1f} GiB are free for the audit log in {folder}"
    if free < LEAST_FREE_BYTES:
        yield Finding(DISK, "warning", text, "make room: a service that cannot write its log answers 503")
    else:
        yield Finding(DISK, "ok", text)


def check_clock(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Look whether the clock is behind what was made before: tokens, certificates and grants depend on it.

    Args:
        settings: of the service.
        now: with a time zone.
    """
    newest = max((path.stat().st_mtime for path in _made_before(settings)), default=0.0)
    behind = newest - now.timestamp()
    if behind > 1:
        yield Finding(
            CLOCK, "problem", f"the clock is at least {behind:.0f} seconds behind: files of the service are from later",
            "synchronize it (NTP)",
        )  # fmt: skip
        return
    yield Finding(CLOCK, "ok", f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, and nothing here is from later")


def check_port(port: int) -> Iterator[Finding]:
    """Look whether another process listens on the port."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            yield Finding(PORT, "warning", f"a process listens on port {port} already", "stop it, or take another port")
            return
    yield Finding(PORT, "ok", f"port {port} is free")


def _made_before(settings: Settings) -> Iterator[Path]:
    if settings.audit is not None and settings.audit.directory.is_dir():
        yield from (path for path in settings.audit.directory.rglob("*") if path.is_file())
    yield from (Path(model.artifact) for model in settings.models.values() if Path(model.artifact).is_file())
