"""The commands and the Python of docs/datasets.md, run as they are, in their order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.needs("faker")
def test_commands_in_the_document_of_data_sets(tmp_path):
    text = (ROOT / "docs/datasets.md").read_text()
    script = "set -eu\n" + "\n".join(
        code if language == "sh" else f"python - <<'END'\n{code}END"
        for language, code in re.findall(r"```(sh|python)\n(.*?)```", text, re.DOTALL)
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"id": 7' in done.stdout and "CREDIT_CARD" in done.stdout
    changed, study, shared = ((tmp_path / f"{name}.csv").read_text() for name in ("changed", "study", "shared"))
    for written in (changed, study, shared, (tmp_path / "python.csv").read_text()):
        assert "Gonzalez" not in written and "2671" not in written and "anna@" not in written
    assert "**** **** **** 1111" in study and "30,941" in study
    assert "k-anonymity          5" in done.stdout
    assert "'PHONE_NUMBER': 1" in done.stdout and "5 Kept as they are, and not searched: diagnosis." in done.stdout
    assert "k (smallest class)" in (tmp_path / "python.html").read_text()
