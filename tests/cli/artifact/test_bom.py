"""`bom`: bills of materials of sealed models, valid according to the CycloneDX schema."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from governance.cli.main import command
from governance.errors import ConfigurationError, IntegrityError

CARD = {
    "task": "classification",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
    "data": {"source": "made up"},
    "scores": {"accuracy": 0.9, "classes": {}, "checked": True},
    "intended_purposes": ["demonstration"],
}


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def valid(text):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return json.loads(text)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    from onnx import TensorProto, helper

    root = tmp_path_factory.mktemp("bom")
    (root / "model").mkdir()
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    (root / "model/model.onnx").write_bytes(model.SerializeToString())
    (root / "model/card.json").write_text(json.dumps(CARD))
    for kind, name in (("signing", "author"), ("signing", "stranger"), ("recipient", "server")):
        assert run("key", "create", kind, root / f"{name}.key").exit_code == 0
    keys = ("--sign-with", f"file:{root}/author.key", "--recipient", root / "server.key.pub")
    done = run("artifact", "seal", root / "model", root / "m.sealed", "--name", "m", "--version", 3, *keys)
    assert done.exit_code == 0, done.output
    return root


def test_bom_lists_sealed_model_without_decrypting_it(sealed):
    bill = valid(run("bom", sealed / "m.sealed", "--trust", sealed / "author.key.pub").output)
    (model,) = bill["components"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "m", "3")
    assert [file["name"] for file in model["components"]] == ["card.json", "model.onnx"]
    assert any(item["name"] == "bento-governance:signer" for item in model["properties"])
    assert "modelCard" not in model and "classification" not in json.dumps(bill)


def test_bom_with_recipient_key_adds_the_model_card(sealed):
    key = f"file:{sealed}/server.key"
    done = run("bom", sealed / "m.sealed", "--trust", sealed / "author.key.pub", "--recipient-key", key)
    card = valid(done.output)["components"][0]["modelCard"]
    assert card["modelParameters"]["task"] == "classification"
    assert card["modelParameters"]["inputs"] == [{"format": "x FP32 [-1]"}]
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [{"type": "accuracy", "value": "0.9"}]
    assert card["considerations"]["useCases"] == ["demonstration"]


def test_bom_adds_models_to_the_packages_of_an_environment(sealed):
    tool = Path(sys.executable).parent / "cyclonedx-py"
    arguments = ["requirements", "-", "--output-format", "JSON", "--spec-version", "1.6"]
    base = subprocess.run([tool, *arguments], input="numpy==2.0.0\n", capture_output=True, text=True, check=True).stdout
    (sealed / "base.json").write_text(base)
    arguments = ("bom", sealed / "m.sealed", "--trust", sealed / "author.key.pub", "--into", sealed / "base.json")
    assert run(*arguments, "--output", sealed / "both.json").exit_code == 0
    bill = valid((sealed / "both.json").read_text())
    assert [component["name"] for component in bill["components"]] == ["numpy", "m"]
    with pytest.raises(ConfigurationError, match="contains model:m@3 already"):
        run("bom", sealed / "m.sealed", "--trust", sealed / "author.key.pub", "--into", sealed / "both.json")


def test_bom_refuses_model_of_untrusted_signer(sealed):
    with pytest.raises(IntegrityError):
        run("bom", sealed / "m.sealed", "--trust", sealed / "stranger.key.pub")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"bomFormat": "CycloneDX", "specVersion": "1.4"}', b"\xff"])
def test_bom_refuses_a_base_that_is_no_bill_of_materials(sealed, content):
    (sealed / "bad.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"CycloneDX 1\.6|not JSON|not a JSON object"):
        run("bom", sealed / "m.sealed", "--trust", sealed / "author.key.pub", "--into", sealed / "bad.json")
