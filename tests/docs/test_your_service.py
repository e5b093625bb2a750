"""docs/your-service.md: its files and commands, as they stand, make a service that answers as the page says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from governance.testing import answers, free_port, running

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/your-service.md").read_text()
FILES = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', TEXT, re.DOTALL))
BLOCKS = re.findall(r"(?:<!-- (\w+) -->\n)?```sh\n(.*?)```", TEXT, re.DOTALL)


def environment(folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}


def shell(text, folder):
    done = subprocess.run(
        ["bash", "-euc", text], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("ward"), free_port()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    shell("\n".join(text for mark, text in BLOCKS if not mark), folder)
    (serve,) = (text.replace("3000", str(port)) for mark, text in BLOCKS if mark == "serve")
    ready = f"http://127.0.0.1:{port}/readyz"
    with running(serve.split(), lambda: answers(ready), cwd=folder, environment=environment(folder)):
        yield folder, port


def test_your_service_answers_refuses_and_logs_as_the_page_says(service):
    folder, port = service
    answer, refusal, log = (shell(text.replace(":3000", f":{port}"), folder) for mark, text in BLOCKS if mark == "call")
    shown = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
    assert json.loads(answer) == pytest.approx(shown[0]) and json.loads(refusal) == shown[1]
    assert re.match(r"ok  ward/worker-0/[0-9a-f]{16}/1: 7 entries", log) and log.endswith("\n0\n")
