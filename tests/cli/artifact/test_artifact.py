"""Transcripts of the artifact and key commands, from the first key to a rotated recipient."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

BIN = Path(sys.executable).parent / "bento-governance"


class Person:
    """Runs commands in one folder; replaces digests and sizes by names, so that each transcript is the same."""

    def __init__(self, folder):
        self.folder = folder

    def types(self, line, environment=None):
        command = [str(BIN), *shlex.split(line)]
        # PYTHONPATH: run the code of this checkout, even if another one is installed.
        kept = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **kept, **(environment or {})}
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, env=environment)

    def reads(self, line):
        done = self.types(line)
        text = re.sub(r"[0-9a-f]{64}", "DIGEST", done.stdout + done.stderr)
        return f"[{done.returncode}]\n{re.sub(r'[0-9T:-]{19}Z', 'TIME', text)}"


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    (folder / "model").mkdir()
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10),
        folder / "model/model.onnx",
    )
    (folder / "model/card.json").write_text("{}")
    return Person(folder)


TRANSCRIPT = [
    ("key create signing author.key", "[0]\nauthor.key: private, mode 0600. Signs model artifacts. Keep it where models are released; servers need only the .pub file.\nauthor.key.pub: public.\n"),
    ("key create signing approver.key --algorithm ecdsa-p384", None),
    ("key create recipient server.key", None),
    ("key create recipient other.key --algorithm x25519", None),
    ("key show author.key.pub", "[0]\necdsa-p256 sha256:DIGEST\nrecipient sha256:DIGEST\n"),
    ("key show server.key.pub", "[0]\nrecipient sha256:DIGEST\n"),
    ("artifact scan model", "[0]\nmodel: admitted, no findings\n"),
    (
        "artifact seal model m.sealed --name m --version 1 --sign-with file:author.key --recipient server.key.pub",
        "[0]\nSealed m.sealed: m version 1, 2 files\n  sha256:DIGEST\n  signed by sha256:DIGEST\n"
        "card.json: inputs and outputs are those of the graph\n",
    ),
    (
        "artifact inspect m.sealed",
        "[0]\nUNVERIFIED: read from the header of the file; `artifact verify` checks it.\n  name: m\n  version: 1\n  created: TIME\n"
        "  signed by sha256:DIGEST as author at TIME\n"
        "  encrypted for sha256:DIGEST (HPKE-MLKEM768-X25519-HKDF-SHA256-AES256GCM)\n"
        "             243  card.json\n              67  model.onnx\n",
    ),
    (
        "artifact verify m.sealed --trust author.key.pub",
        "[0]\nVerified m.sealed (without decrypting it): m version 1, 2 files\n  sha256:DIGEST\n  signed by sha256:DIGEST\n",
    ),
    (
        "artifact verify m.sealed --trust author.key.pub --trust approver.key.pub --threshold 2",
        "[5]\nsignature: m.sealed: step 2 (signatures): signed by 1 of the 2 trusted keys; 2 are required\n",
    ),
    (
        "artifact approve m.sealed --sign-with file:author.key --trust author.key.pub --recipient-key file:server.key",
        "[3]\nconfiguration: this key has already signed the artifact: the approver must be another person\n",
    ),
    (
        "artifact approve m.sealed --sign-with file:approver.key --trust author.key.pub --recipient-key file:server.key",
        "[0]\nApproved m.sealed: m version 1, 2 files\n  sha256:DIGEST\n  signed by sha256:DIGEST\n",
    ),
    ("artifact verify m.sealed --trust author.key.pub --trust approver.key.pub --threshold 2", None),
    (
        "artifact rewrap m.sealed --recipient-key file:server.key --add other.key.pub --remove server.key.pub",
        "[0]\nRewrapped m.sealed: 1 recipients\n  encrypted for sha256:DIGEST\n",
    ),
    (
        "artifact open m.sealed plain --trust author.key.pub --recipient-key file:server.key",
        "[5]\ndecryption: m.sealed: step 3 (data key): it is not encrypted for this recipient key (sha256:PREFIX…)\n",
    ),
    (
        "artifact open m.sealed plain --trust author.key.pub --recipient-key file:other.key",
        "[0]\nm version 1 is in plain as plaintext: remove it when you are done.\n  signature: plain.1.sig\n  signature: plain.2.sig\n",
    ),
    (
        "artifact verify plain --signature plain.2.sig --trust approver.key.pub",
        "[0]\nVerified plain: m, 2 files\n  signed by sha256:DIGEST\n",
    ),
    ("artifact verify m.sealed --trust absent.pub", "[3]\nconfiguration: the public key absent.pub does not exist: copy it here; `bento-governance key create` wrote it next to the private key\n"),
    ("artifact verify absent.sealed --trust author.key.pub", "[3]\nconfiguration: cannot read absent.sealed: No such file or directory\n"),
    (
        "artifact open m.sealed x --trust author.key.pub --recipient-key file:absent.key",
        "[4]\nkey_unavailable: the key absent.key does not exist: correct the path, or make it with `bento-governance key create`\n",
    ),
    ("artifact rewrap m.sealed --recipient-key file:other.key", "[3]\nconfiguration: name a recipient with --add or --remove\n"),
    ("artifact scan m.sealed", "[3]\nconfiguration: m.sealed is sealed: `artifact verify --recipient-key` scans what is in it\n"),
    ("artifact seal model n.sealed --name n --version 0 --sign-with file:author.key --recipient server.key.pub", "2"),
]  # fmt: skip


def test_artifact_commands_seal_inspect_verify_open_rewrap_approve(person):
    for line, expected in TRANSCRIPT:
        printed = re.sub(r"sha256:[0-9a-f]{16}…", "sha256:PREFIX…", person.reads(line))
        if expected is None:
            assert printed.startswith("[0]"), f"{line}\n{printed}"
        elif expected == "2":
            assert printed.startswith("[2]"), f"{line}\n{printed}"
        else:
            assert printed == expected, line
        assert "Traceback" not in printed


def test_artifact_commands_print_json(person):
    own = person.folder / "json"
    own.mkdir()
    for line in ("key create signing json/a.key", "key create signing json/b.key", "key create recipient json/r.key"):
        assert person.types(line).returncode == 0
    trust = "--trust json/a.key.pub --recipient-key file:json/r.key"
    lines = {
        "scan": "artifact scan model --json",
        "seal": "artifact seal model json/m.sealed --name m --version 7 --sign-with file:json/a.key --recipient json/r.key.pub --json",
        "verify": f"artifact verify json/m.sealed {trust} --json",
        "approve": f"artifact approve json/m.sealed --sign-with file:json/b.key {trust} --json",
        "rewrap": "artifact rewrap json/m.sealed --recipient-key file:json/r.key --add json/r.key.pub --json",
        "inspect": "artifact inspect json/m.sealed --json",
        "open": f"artifact open json/m.sealed json/plain {trust} --json",
    }
    answers = {}
    for name, line in lines.items():
        done = person.types(line)
        assert done.returncode == 0, done.stderr
        answers[name] = json.loads(done.stdout)
    assert answers["scan"] == {"admitted": True, "findings": []}
    assert {answers[name]["digest"] for name in ("seal", "verify", "approve", "inspect", "open")} == {
        answers["seal"]["digest"]
    }
    assert [item["role"] for item in answers["inspect"]["signatures"]] == ["author", "approver"]
    assert len(answers["rewrap"]["recipients"]) == 1


def test_artifact_seal_refuses_hostile_model(person):
    folder = person.folder / "hostile"
    folder.mkdir()
    shape = onnx.numpy_helper.from_array(np.array([2**40]), "s")
    graph = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["s"], ["y"], name="bomb")],
        "g",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
        [shape],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), folder / "model.onnx"
    )
    (folder / "weights.pkl").write_bytes(b"\x80\x04.")
    done = person.types("artifact scan hostile --json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["findings"][0]["path"] == "weights.pkl"
    (folder / "weights.pkl").unlink()
    done = person.types("artifact scan hostile")
    assert done.returncode == 5 and "model.onnx: node 'bomb' (ConstantOfShape): it creates a tensor of" in done.stdout
    person.types("key create signing h.key")
    person.types("key create recipient h2.key")
    done = person.types(
        "artifact seal hostile h.sealed --name h --version 1 --sign-with file:h.key --recipient h2.key.pub"
    )
    assert done.returncode == 5 and "bomb" in done.stderr and not (person.folder / "h.sealed").exists()


def test_key_create_with_passphrase_and_its_use(person):
    environment = {"PASSPHRASE": "correct horse"}
    made = person.types("key create signing under.key --passphrase env:PASSPHRASE", environment)
    assert made.returncode == 0 and "under a passphrase" in made.stdout
    assert b"ENCRYPTED KEY" in (person.folder / "under.key").read_bytes()
    person.types("key create recipient under-r.key")
    line = (
        "artifact seal model under.sealed --name m --version 1 --recipient under-r.key.pub --sign-with file:under.key"
    )
    done = person.types(line)
    assert done.returncode == 4 and "?passphrase=env:NAME" in done.stderr
    assert person.types(f"{line}?passphrase=env:PASSPHRASE", environment).returncode == 0
    done = person.types(f"{line}?passphrase=env:PASSPHRASE", {"PASSPHRASE": "wrong"})
    assert done.returncode == 3 and done.stderr.startswith("key_refused: ")


@pytest.mark.parametrize(("line", "says"), [
    ("key create secret s.key --algorithm p256", "a secret key has no algorithm"),
    ("key create signing s.key --algorithm x25519", "a signing key has no algorithm 'x25519'"),
])  # fmt: skip
def test_key_create_refuses_wrong_algorithm(person, line, says):
    done = person.types(line)
    assert done.returncode == 2 and says in done.stderr
