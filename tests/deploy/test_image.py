"""The image's files: what can be held without building it. Building and running it is described beside them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/image"
CONTAINERFILE = (FOLDER / "Containerfile").read_text().replace("\\\n", " ")
LAST_STAGE = CONTAINERFILE.rpartition("\nFROM ")[2]


def test_the_user_is_a_number_and_not_root():
    (user,) = re.findall(r"^USER (\S+)$", CONTAINERFILE, re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert LAST_STAGE.index("USER ") > LAST_STAGE.index("RUN ")


def test_the_last_stage_installs_nothing():
    assert not re.search(r"pip install|apt-get|curl|wget|ADD ", LAST_STAGE)
    assert "pip uninstall" in CONTAINERFILE


def test_everything_that_is_copied_is_there():
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE):
        for source in sources.replace("${BENTO}", "digits").split():
            assert (ROOT / source).exists(), source


def test_no_state_reaches_the_build():
    ignored = (FOLDER / "Containerfile.containerignore").read_text()
    assert ignored == (FOLDER / "Containerfile.dockerignore").read_text()
    lines = ignored.splitlines()
    assert lines[0] == "*" and "**/state" in lines and lines.index("**/state") > lines.index("!bentos")
    assert "!training" not in lines


@pytest.mark.parametrize("name", ["build.sh", "entrypoint.sh"])
def test_the_scripts_parse(name):
    shell = "bash" if name == "build.sh" else "sh"
    subprocess.run([shell, "-n", FOLDER / name], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", FOLDER / name], check=True)


def test_the_entrypoint_serves_what_the_bento_file_names(tmp_path):
    """`bentoml` and /app are stood in for: what would be run is printed."""
    (tmp_path / "bentoml").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "bentoml").chmod(0o755)
    script = (FOLDER / "entrypoint.sh").read_text().replace("/app/", f"{ROOT}/")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "BENTO": "digits", "HOST": "127.0.0.1", "PORT": "3001"}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "serve", "bentos.digits.service:Digits", "--host", "127.0.0.1", "--port", "3001", "--timeout-graceful-shutdown", "30",
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [["--bento", "nobody"], ["--runtime", "tpu"], ["--nonsense", "x"]])
def test_a_wrong_build_says_so(arguments):
    done = subprocess.run([FOLDER / "build.sh", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr
