"""Builds what is published, and checks it as a stranger gets it: `make release`.

    python -m tools.release [--draft] [--out dist]

1. Refuses a tree with uncommitted files, a version without a dated section in `CHANGELOG.md`, and a chart of another
   version (`--draft` builds anyway).
2. Builds the source distribution, and from that alone one wheel for each Python of this machine; on Linux a wheel is
   retagged for the oldest C library that it runs with (manylinux).
3. Checks the metadata (`twine check --strict`), and that every file of the packages is in each archive.
4. Installs each archive into an empty environment with `constraints.txt`, away from the checkout: runs the command,
   imports every module that needs no extra, and reads the files that the packages carry.
5. Writes `SHA256SUMS`.

Nothing is uploaded. `docs/release.md` says what to do by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from governance import __version__
from tools.pythons import find_pythons

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))
PACKAGES = ("governance", "training")
# Files in the source archive besides the packages: what building needs, and what readers look for.
IN_SOURCES = ("CHANGELOG.md", "LICENSE", "README.md", "THREATS.md", "constraints.txt", "pyproject.toml", "setup.py")

# Runs in the environment where one archive was installed, in an empty folder. Arguments: the version, then the files.
CHECK_INSTALLED = """
import importlib, importlib.metadata, pkgutil, sys
from pathlib import Path
import governance
version, *files = sys.argv[1:]
assert governance.__version__ == importlib.metadata.version("bento-governance") == version
site = Path(governance.__file__).parents[1]
missing = [file for file in files if not (site / file).is_file()]
assert not missing, missing
imported, extras = 0, []
for module in pkgutil.walk_packages(governance.__path__, "governance."):
    if module.name.endswith("__main__") or module.name.startswith("governance.privacy.native."):
        continue  # A program, and loops that the modules of their Python twins import.
    try:
        importlib.import_module(module.name)
        imported += 1
    except ModuleNotFoundError as error:
        assert error.name.partition(".")[0] != "governance", error
        extras.append(f"{module.name} ({error.name})")
assert "torch" not in sys.modules
compiled = sorted(path.name.partition(".")[0] for path in (site / "governance/privacy/native").glob("*.so"))
print(f"    {imported} modules imported; loops in C: {', '.join(compiled) or 'none'}")
print(f"    need an extra: {', '.join(extras) or 'none'}")
"""


class ReleaseError(Exception):
    """A condition of a release that does not hold; the text is one sentence for a person."""


def run(*command: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    """Run a program and return what it printed; raises `ReleaseError` with its output if it fails."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(environment or {})}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise ReleaseError(f"{words[:200]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def step(text: str) -> None:
    """Print one line of progress."""
    print(f"· {text}", flush=True)


def tracked_files() -> set[str]:
    """Return all files of the packages under version control, relative to the checkout."""
    return set(run("git", "ls-files", *PACKAGES).split("\n")) - {""}


def check_ready(changelog: str, uncommitted: str, chart: str, version: str = __version__) -> None:
    """Raise `ReleaseError` unless the changelog dates this version, the chart names it, and all is committed."""
    if uncommitted:
        raise ReleaseError(f"commit first, or build with --draft:\n{uncommitted}")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        raise ReleaseError(f"CHANGELOG.md has no section `## [{version}] - YEAR-MONTH-DAY`")
    if f'appVersion: "{version}"' not in chart:
        raise ReleaseError(f"helm/bento-governance/Chart.yaml does not say appVersion {version}")


def build_sources(out: Path) -> Path:
    """Build the source distribution into `out`, and return its path."""
    run(sys.executable, "-m", "build", "--sdist", "--outdir", out, ROOT)
    (archive,) = out.glob("*.tar.gz")
    return archive


def build_wheel(python: Path, sources: Path, out: Path) -> Path:
    """Build a wheel for one interpreter from the source distribution alone, and return its path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(python, "-m", "venv", folder / "venv")
        pinned = str(ROOT / "constraints.txt")
        run(
            folder / "venv/bin/python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, sources,
            cwd=folder, environment={"PIP_CONSTRAINT": pinned, "PIP_BUILD_CONSTRAINT": pinned},
        )  # fmt: skip
        (wheel,) = folder.glob("*.whl")
        if sys.platform == "linux":
            path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
            run(SCRIPTS / "auditwheel", "repair", "--wheel-dir", folder / "repaired", wheel, environment={"PATH": path})
            (wheel,) = (folder / "repaired").glob("*.whl")
        return Path(shutil.move(wheel, out / wheel.name))


def members(archive: Path) -> set[str]:
    """Return the files of a wheel or of a source distribution, without the latter's top folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sources:
        return {member.name.partition("/")[2] for member in sources.getmembers() if member.isfile()}


def check_members(found: Iterable[str], expected: Iterable[str], archive: str) -> None:
    """Raise `ReleaseError` if an archive lacks a file, or holds caches, keys or state."""
    found = set(found)
    missing = sorted(set(expected) - found)
    if missing:
        raise ReleaseError(f"{archive} lacks {', '.join(missing[:9])} ({len(missing)} files)")
    stray = sorted(name for name in found if re.search(r"__pycache__|/state/|\.(pyc|key|sealed|api-key)$", name))
    if stray:
        raise ReleaseError(f"{archive} holds {', '.join(stray[:9])}")


def check_installed(python: Path, archive: Path, files: Sequence[str]) -> None:
    """Install an archive into an empty environment, and use it there; raises `ReleaseError` if anything fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        binaries = folder / "venv/bin"
        clean = {"PYTHONPATH": "", "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
        run(python, "-m", "venv", folder / "venv")
        run(binaries / "python", "-m", "pip", "install", "--quiet", f"{archive}[cpu]", cwd=folder, environment=clean)
        run(binaries / "python", "-m", "pip", "check", cwd=folder, environment=clean)
        printed = run(binaries / "bento-governance", "--version", cwd=folder, environment=clean)
        if not printed.endswith(f" {__version__}\n"):
            raise ReleaseError(f"{archive.name}: bento-governance --version says {printed!r}")
        run(binaries / "bento-governance", "--help", cwd=folder, environment=clean)
        run(binaries / "bento-governance", "artifact", "seal", "--help", cwd=folder, environment=clean)
        command = (binaries / "python", "-c", CHECK_INSTALLED, __version__, *files)
        print(run(*command, cwd=folder, environment=clean), end="", flush=True)


def write_sums(out: Path) -> None:
    """Write the digests of all archives, as `sha256sum --check` reads them."""
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(out.iterdir())
        if path.suffix in (".whl", ".gz")
    )
    (out / "SHA256SUMS").write_text("".join(lines))


def release(out: Path, draft: bool) -> None:
    """Build and check everything into `out`, which is emptied first."""
    if not draft:
        check_ready(
            (ROOT / "CHANGELOG.md").read_text(),
            run("git", "status", "--porcelain"),
            (ROOT / "helm/bento-governance/Chart.yaml").read_text(),
        )
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    os.environ["SOURCE_DATE_EPOCH"] = run("git", "log", "-1", "--format=%ct").strip()
    files = sorted(tracked_files())

    step(f"source distribution of {__version__}")
    sources = build_sources(out)
    check_members(members(sources), {*files, *IN_SOURCES}, sources.name)
    pythons = find_pythons()
    wheels = {}
    for version, python in pythons.items():
        step(f"wheel for Python {version}")
        wheels[version] = build_wheel(python, sources, out)
        check_members(members(wheels[version]), files, wheels[version].name)
    step("metadata")
    run(SCRIPTS / "twine", "check", "--strict", sources, *wheels.values())
    for version, wheel in wheels.items():
        step(f"{wheel.name} in an empty environment")
        check_installed(pythons[version], wheel, files)
    step(f"{sources.name} in an empty environment")
    check_installed(Path(sys.executable), sources, files)
    write_sums(out)
    print((out / "SHA256SUMS").read_text(), end="")


def main() -> None:
    """Read the command line and make the release; exits with 1 and one sentence if a check fails."""
    parser = argparse.ArgumentParser(description="Build and check the distributions; upload nothing.")
    parser.add_argument("--draft", action="store_true", help="accept uncommitted files and an undated version")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder for the archives; it is emptied")
    options = parser.parse_args()
    try:
        release(options.out.resolve(), options.draft)
    except ReleaseError as error:
        sys.exit(f"no release: {error}")


if __name__ == "__main__":
    main()
