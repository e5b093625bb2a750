"""start.md, your-own-*.md, keys.md, policies.md: their files and commands, run in an empty folder with a wheel."""

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from governance.testing import answers, free_port, running

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"(?:<!-- (\w+) -->\n)?```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)```", re.DOTALL)
PAGES = ("start.md", "your-own-service.md", "your-own-model.md", "keys.md", "policies.md")


@dataclass(frozen=True, slots=True)
class Block:
    mark: str
    language: str
    title: str
    text: str


def blocks(page):
    return [Block(*(part or "" for part in found)) for found in BLOCK.findall((ROOT / "docs" / page).read_text())]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with this distribution, installed from its wheel; the wheel stays beside it."""
    folder = tmp_path_factory.mktemp("installed")
    sources = folder / "sources"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith(("governance/", "training/")) or "/" not in name:
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            (sources / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder / "dist"), str(sources)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


class Reader:
    """Does what a page says, in a folder: writes files, runs commands, keeps the working directory between them."""

    def __init__(self, folder, site):
        self.port, self.place, self.server = free_port(), folder, ExitStack()
        self.environment = {
            **os.environ, "PATH": f"{site}/bin{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(site),
            "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True", "KERAS_BACKEND": "torch",
        }  # fmt: skip

    def write(self, block):
        name, _, more = block.title.partition(" ")
        with (self.place / name).open("a" if more else "w") as file:
            file.write(f"\n{block.text}" if more else block.text)

    def run(self, text):
        script = f"{text.replace('3000', str(self.port))}\npwd >&9"
        read, write = os.pipe()
        with open(read) as where:
            done = subprocess.run(
                ["bash", "-euc", f"exec 9>&{write}\n{script}"], cwd=self.place, env=self.environment, pass_fds=[write],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            os.close(write)
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
            self.place = Path(where.read().strip())
        return done.stdout

    def serve(self, text):
        self.server.close()
        text = text.replace("3000", str(self.port)).rstrip()
        text += f" --port {self.port}" * ("--port" not in text)
        *before, last = text.splitlines()
        command = ["bash", "-euc", "\n".join([*before, f"exec {last}"])]
        ready = f"http://127.0.0.1:{self.port}/readyz"
        self.server.enter_context(
            running(command, lambda: answers(ready), cwd=self.place, environment=self.environment, seconds=180)
        )


@pytest.mark.parametrize("page", PAGES)
def test_first_page_does_what_it_says_with_an_installed_wheel(tmp_path, installed, page):
    reader, said = Reader(tmp_path, installed), None
    with reader.server:
        for block in blocks(page):
            if block.title:
                reader.write(block)
            elif block.mark == "serve":
                reader.serve(block.text)
            elif block.language == "sh":
                said = reader.run(block.text)
            elif block.language == "json":
                assert json.loads(said) == json.loads(block.text)
            elif said is not None:
                assert said.strip() == block.text.strip()
    if page == "your-own-model.md":
        bento = next((tmp_path / "bentoml/bentos/iris").glob("*/env/python/wheels/*.whl"))
        assert bento.name.startswith("bento_governance")
        assert not [*(tmp_path / "bentoml").rglob("*.key"), *(tmp_path / "bentoml").rglob("api-keys.json")]


def test_first_pages_have_no_block_that_is_not_run():
    """Besides what is installed from outside, which the tests have already."""
    for page in PAGES:
        texts = [block for block in blocks(page) if block.language == "text" and "pip install" in block.text]
        assert {block.language for block in blocks(page)} <= {"sh", "json", "text", "python", "toml", "cedar"}
        assert all(block.title for block in blocks(page) if block.language in ("python", "toml", "cedar"))
        assert len(texts) <= 1
