"""The image's files: checks that need no build. `deploy/image/README.md` says how the image was built and run."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/image"
CONTAINERFILE = (FOLDER / "Containerfile").read_text().replace("\\\n", " ")
LAST_STAGE = CONTAINERFILE.rpartition("\nFROM ")[2]


def test_image_user_is_numeric_and_not_root():
    (user,) = re.findall(r"^USER (\S+)$", CONTAINERFILE, re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert LAST_STAGE.index("USER ") > LAST_STAGE.index("RUN ")


def test_image_last_stage_installs_nothing():
    assert not re.search(r"pip install|apt-get|curl|wget|ADD ", LAST_STAGE)
    assert "pip uninstall" in CONTAINERFILE


def test_image_copies_only_existing_files():
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE):
        for source in sources.replace("${BENTO}", "digits").split():
            assert (ROOT / source).exists(), source


def test_image_build_context_excludes_state():
    ignored = (FOLDER / "Containerfile.containerignore").read_text()
    assert ignored == (FOLDER / "Containerfile.dockerignore").read_text()
    lines = ignored.splitlines()
    assert lines[0] == "*" and "**/state" in lines and lines.index("**/state") > lines.index("!bentos")
    assert "!training" not in lines


@pytest.mark.parametrize("name", ["build.sh", "entrypoint.sh"])
def test_image_scripts_parse(name):
    shell = "bash" if name == "build.sh" else "sh"
    subprocess.run([shell, "-n", FOLDER / name], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", FOLDER / name], check=True)


def test_image_entrypoint_serves_the_service_of_the_bento_file(tmp_path):
    """A fake `bentoml` prints its arguments."""
    (tmp_path / "bentoml").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "bentoml").chmod(0o755)
    script = (FOLDER / "entrypoint.sh").read_text().replace("/app/", f"{ROOT}/")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "BENTO": "digits", "HOST": "127.0.0.1", "PORT": "3001"}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "serve", "bentos.digits.service:Digits", "--host", "127.0.0.1", "--port", "3001", "--timeout-graceful-shutdown", "30",
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [["--bento", "missing"], ["--runtime", "tpu"], ["--nonsense", "x"]])
def test_image_build_refuses_wrong_arguments(arguments):
    done = subprocess.run([FOLDER / "build.sh", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr
