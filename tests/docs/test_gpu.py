"""docs/gpu.md: its settings and commands are accepted as they stand."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from governance.settings import RuntimeSettings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/gpu.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
def test_settings_of_the_page_are_accepted(block):
    RuntimeSettings.model_validate(tomllib.loads(block)["runtime"])


def test_choices_and_keys_of_the_page_are_those_of_the_settings():
    providers = re.findall(r"^\| `(\w+)` \|", TEXT.partition("| needs |")[2].partition("\n\n")[0], re.MULTILINE)
    RuntimeSettings(providers=tuple(providers))
    keys = re.findall(
        r"^\| `(\w+)(?: = [^`]+)?` \|", TEXT.partition("| setting |")[2].partition("\n\n")[0], re.MULTILINE
    )
    assert set(keys) <= set(RuntimeSettings.model_fields)
    assert {"precision", "cuda_graphs", "device_id", "allow_fallback"} <= set(keys)


def test_command_of_the_page_runs_on_the_cpu_and_its_options_exist():
    help_text = subprocess.run(
        [sys.executable, "-m", "benchmarks", "gpu", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for option in re.findall(r"`?(--[a-z-]+)", TEXT.partition("## Trying a machine")[2].partition("\n## ")[0]):
        assert option in help_text


def test_benchmark_of_devices_says_that_there_is_no_gpu():
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has a GPU")
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks", "gpu", "--device", "cuda"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 1
    assert "there is no GPU here" in result.stderr
