"""Every model that `onnx` ships as test data is answered like ONNX Runtime's own session, or refused for a listed reason.

The models run in one process of their own (`onnx_models.py`), so that one that ends it fails the test by name.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import onnx
import onnxruntime
import pytest

PROGRAM = Path(__file__).with_name("onnx_models.py")
LOCALE = "a locale that this machine lacks"
# Each refusal by where it happens and what it says. Other reasons fail the test.
REASONS = {
    "no kernel for the processor": ("open", r"NotImplemented: .*(Could not find an implementation|Failed to find kernel)"),
    "a type that the protocol lacks": ("open", r"has the type tensor\((float8|u?int[24]\b)"),
    "a sequence": ("open", r"has the type (optional\()?seq\(tensor"),
    "a preview domain": ("scan", r"operator domain 'ai\.onnx\.preview(\.training)?' is not allowed"),
    LOCALE: ("trial", r"string_normalizer"),
    "a mode that ONNX Runtime does not load": ("trial", r"^error: ONNX Runtime cannot load it: Fail: "),
    "data that ONNX Runtime refuses": ("data", r"refuses these tensors"),
}  # fmt: skip
# With the versions in constraints.txt; another version of onnx ships other models.
VERSIONS = ("1.23.2", "1.32.0")
COUNTS = {
    # Those that need the locale en_US.UTF-8 are answered where it is installed.
    "answered": 1709,
    "no kernel for the processor": 128,
    "a type that the protocol lacks": 136,
    "a sequence": 23,
    "a preview domain": 31,
    "a mode that ONNX Runtime does not load": 3,
    "data that ONNX Runtime refuses": 3,
}


@pytest.fixture(scope="module")
def found():
    """What became of each model, by kind and name."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", PROGRAM],
        capture_output=True,
        text=True,
        timeout=900,
        env=environment,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{lines[-1]} ended the process with {done.returncode}: {done.stderr[-300:]}"
    return {tuple(line[1:]): end for line, end in zip(lines[::2], lines[1::2], strict=True)}


def reason_of(end):
    if end == ["answered"]:
        return "answered"
    place, text = end
    return next(
        (name for name, (at, says) in REASONS.items() if at == place and re.search(says, text)), f"{place}: {text}"
    )


def test_models_of_onnx_are_answered_or_refused_for_a_listed_reason(found):
    unknown = {name: end for name, end in found.items() if reason_of(end) not in ("answered", *REASONS)}
    assert not unknown


@pytest.mark.skipif((onnx.__version__, onnxruntime.__version__) != VERSIONS, reason="other models are shipped")
def test_models_of_onnx_are_as_many_as_before_of_each_reason(found):
    counts = Counter(map(reason_of, found.values()))
    counts["answered"] += counts.pop(LOCALE, 0)
    assert counts == COUNTS


@pytest.mark.parametrize(
    ("kind", "answered"), [("light", 9), ("simple", 17), ("pytorch-converted", 59), ("pytorch-operator", 24)]
)
def test_models_of_onnx_that_were_exported_lack_nothing_but_kernels(found, kind, answered):
    """The others of torch are of opset 6, for which ONNX Runtime itself has no kernels."""
    ends = Counter(reason_of(end) for (other, _), end in found.items() if other == kind)
    assert ends["answered"] >= answered
    assert set(ends) <= {"answered", "no kernel for the processor", "a preview domain", LOCALE}
