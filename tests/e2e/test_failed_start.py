"""A start that fails in the service's own code: one line and a status, whatever process finds the fault, and no restarts."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from governance.testing import free_port
from tests.e2e.conftest import BIN

SIDE = Path(__file__).with_name("side")
HEAD = """
import bentoml
from governance import Governance
from governance.errors import DecryptionError, KeyUnavailableError

governance = Governance.from_file("governance.toml")
"""
IN_CONSTRUCTOR = """
@governance.guard
@bentoml.service(workers={workers})
class Broken:
    def __init__(self):
        {fault}

    @bentoml.api
    def status(self) -> int:
        return 1
"""
AT_IMPORT = """
{fault}

@governance.guard
@bentoml.service
class Broken:
    pass
"""
IN_INNER = """
@bentoml.service
class Inner:
    def __init__(self):
        {fault}

@governance.guard
@bentoml.service
class Broken:
    inner = bentoml.depends(Inner)

    @bentoml.api
    def status(self) -> int:
        return 1
"""
MISSPELT = "governance.open_model('digits-cn')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("failed")
    shutil.copy(SIDE / "policy.cedar", folder)
    shutil.copy(SIDE / "schema.cedarschema", folder)
    settings = (SIDE / "governance.toml").read_text().partition("[[routes]]")[0]
    (folder / "governance.toml").write_text(settings + '[[routes]]\npath = "/status"\n')
    with (folder / "governance.toml").open("a") as file:
        file.write("[artifacts]\ntrusted_signers = ['signing.key.pub']\nrecipient_key = 'file:nothing.key'\n")
    for arguments in (
        ("key", "create", "signing", "signing.key"),
        ("key", "create", "checkpoint", "checkpoint.key"),
        ("key", "create", "secret", "hash.key"),
        ("api-key", "create", "ada", "--role", "reader", "--store", "api-keys.json", "--hash-key", "file:hash.key"),
    ):
        subprocess.run([BIN / "bento-governance", *arguments], check=True, capture_output=True, cwd=folder)
    return folder


def served(folder, service, seconds=60):
    """Run `bentoml serve` until it ends by itself."""
    (folder / "broken.py").write_text(HEAD + service)
    command = [BIN / "bentoml", "serve", "broken:Broken", "--host", "127.0.0.1", "--port", str(free_port())]
    environment = {**os.environ, "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )


@pytest.mark.parametrize(
    "service",
    [
        IN_CONSTRUCTOR.format(fault=MISSPELT, workers=1),
        IN_CONSTRUCTOR.format(fault=MISSPELT, workers=3),
        IN_INNER.format(fault=MISSPELT),
        AT_IMPORT.format(fault=MISSPELT),
    ],
    ids=["one worker", "three workers", "inner service", "import"],
)
def test_misspelt_model_ends_the_start_with_one_line(folder, service):
    done = served(folder, service)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert output.count("open_model('digits-cn'): the settings have no [models.digits-cn]") == 1
    assert "Traceback" not in output
    assert "digits-cn'" in output.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("governance.open_model('digits-cnn:7')", "BentoML's model store has no 'digits-cnn:7'"),
        ("raise DecryptionError('step 5 (decryption): another key')", "decryption: step 5"),
    ],
)
def test_fault_that_a_restart_does_not_change_ends_the_start(folder, fault, says):
    done = served(folder, IN_CONSTRUCTOR.format(fault=fault, workers=2))
    output = done.stdout + done.stderr
    assert done.returncode == 1 and output.count(says) == 1 and "Traceback" not in output, output
    assert done.stderr.strip().splitlines()[-1].startswith("bento-governance: ")


def test_fault_that_may_pass_is_tried_again(folder):
    (folder / "tried").write_text("")
    fault = (
        "open('tried', 'a').write('x')\n        if open('tried').read() == 'x': raise KeyUnavailableError('no answer')"
        "\n        else: raise DecryptionError('second try')"
    )
    done = served(folder, IN_CONSTRUCTOR.format(fault=fault, workers=1))
    assert done.returncode == 1 and "second try" in done.stderr
    assert "key_unavailable: no answer" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
