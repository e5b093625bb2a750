"""`artifact seal` refuses what a server would refuse, completes the card, and removes ZipMap."""

import json
import logging
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from governance.artifacts.opening import open_sealed
from governance.artifacts.trust.trust import Trust
from governance.cli.main import command, exit_code
from governance.errors import GovernanceError
from governance.keys import generate_recipient_key, generate_signing_key
from governance.keys.key_files import write_new
from governance.runtime.model import open_model
from governance.settings import RuntimeSettings

FLOAT = TensorProto.FLOAT
CARD = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}


def value(name, axes, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, axes)


def model(nodes, inputs=None, outputs=None):
    graph = helper.make_graph(nodes, "g", inputs or [value("x", ["n", 2])], outputs or [value("y", ["n", 2])])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


IDENTITY = model([helper.make_node("Identity", ["x"], ["y"])])


def zipmap(**labels):
    key = TensorProto.STRING if "classlabels_strings" in labels else TensorProto.INT64
    kind = onnx.TypeProto()
    kind.sequence_type.elem_type.map_type.key_type = key
    kind.sequence_type.elem_type.map_type.value_type.tensor_type.elem_type = FLOAT
    nodes = [
        helper.make_node("Identity", ["x"], ["p"]),
        helper.make_node("ZipMap", ["p"], ["y"], domain="ai.onnx.ml", **labels),
    ]
    return model(nodes, outputs=[helper.make_value_info("y", kind)])


@dataclass
class Done:
    """How a command ended, and what it printed."""

    exit_code: int
    output: str


class Sealer:
    """Seals a folder with `artifact seal`, and opens what was sealed."""

    def __init__(self, root):
        self.root = root
        self.signing, self.recipient = generate_signing_key("ecdsa-p256"), generate_recipient_key("x-wing", bytes)
        write_new(root / "signing.key", self.signing.to_pem(), mode=0o600)
        write_new(root / "signing.pub", self.signing.public_key.pem, mode=0o644)
        write_new(root / "recipient.pub", self.recipient.public_key.to_pem(), mode=0o644)
        (root / "model").mkdir()

    def seal(self, made=None, recipient="recipient.pub", **files):
        folder = self.root / "model"
        if made is not None:
            onnx.save(made, folder / "model.onnx")
        for name, content in files.items():
            (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
        arguments = ["artifact", "seal", str(folder), str(self.root / "m.sealed"), "--name", "m", "--version", "1"]
        keys = ["--sign-with", f"file:{self.root}/signing.key", "--recipient", str(self.root / recipient)]
        done = CliRunner().invoke(command, [*arguments, *keys])
        error = done.exception if isinstance(done.exception, GovernanceError) else None
        return Done(done.exit_code if error is None else exit_code(error), f"{done.output}{error or ''}")

    def opened(self):
        """Return the model of the sealed file, opened as a server does."""
        trust = Trust((self.signing.public_key,), 1)
        with open_sealed(self.root / "m.sealed", name="m", minimum_version=1, trust=trust, recipient_key=self.recipient) as found:  # fmt: skip
            card = json.loads(bytes(found.files["card.json"]))
            return open_model("m", 1, found.digest, found.files["model.onnx"], card, RuntimeSettings())


@pytest.fixture
def sealer(tmp_path):
    return Sealer(tmp_path)


@pytest.mark.parametrize("card", [None, {}, {"intended_purposes": ["treatment"]}, {"inputs": CARD["inputs"]}])
def test_seal_takes_inputs_and_outputs_of_the_graph_where_the_card_has_none(sealer, card):
    done = sealer.seal(IDENTITY, **({} if card is None else {"card": card}))
    assert done.exit_code == 0, done.output
    assert "those of the graph" in done.output
    opened = sealer.opened()
    assert {key: opened.card[key] for key in CARD} == CARD
    assert opened.card.get("intended_purposes") == (card or {}).get("intended_purposes")
    assert (
        not (sealer.root / "model/card.json").exists()
        or json.loads((sealer.root / "model/card.json").read_text()) == card
    )


def test_seal_keeps_a_complete_card_byte_for_byte(sealer):
    text = json.dumps(CARD) + "  \n"
    assert sealer.seal(IDENTITY, card=text).exit_code == 0
    trust = Trust((sealer.signing.public_key,), 1)
    with open_sealed(sealer.root / "m.sealed", name="m", minimum_version=1, trust=trust, recipient_key=sealer.recipient) as found:  # fmt: skip
        assert bytes(found.files["card.json"]).decode() == text


PROFILE = {"version": 1, "items": 1, "softmax": False, "subjects": []}


@pytest.mark.parametrize(
    ("files", "code", "says"),
    [
        ({"card": {**CARD, "outputs": [{"name": "y", "datatype": "FP64", "shape": [-1, 2]}]}}, 5, "declares the outputs"),
        ({"card": {**CARD, "classes": 7}}, 5, "'classes' must be a list of names"),
        ({"card": {**CARD, "intended_purposes": "all"}}, 5, "'intended_purposes' must be a list"),
        ({"card": {**CARD, "privacy": [{"tensor": "z"}]}}, 5, "privacy"),
        ({"card": {**CARD, "inputs": [{**CARD["inputs"][0], "example_shape": [1, 3]}]}}, 5, "example_shape"),
        ({"card": {**CARD, "inputs": [{**CARD["inputs"][0], "batch": "yes"}]}}, 5, "'batch' of the input"),
        ({"card": "[]"}, 5, "card.json is not a JSON object"),
        ({"card": "{"}, 5, "card.json is not a JSON object"),
        ({"card": CARD, "profile": PROFILE}, 5, "profile.json cannot be used"),
        ({"card": CARD, "profile": "{"}, 5, "profile.json cannot be used"),
    ],
)  # fmt: skip
def test_seal_refuses_what_a_server_would_refuse(sealer, files, code, says):
    done = sealer.seal(IDENTITY, **files)
    assert (done.exit_code, says in done.output) == (code, True), done.output
    assert not (sealer.root / "m.sealed").exists()


def test_seal_refuses_a_folder_without_a_model(sealer):
    done = sealer.seal(card=CARD)
    assert done.exit_code == 3 and "no model.onnx" in done.output


def test_seal_refuses_a_model_that_ends_the_process(sealer):
    done = sealer.seal(model([helper.make_node("LayerNormalization", ["x", "x", ""], ["y"])]))
    assert done.exit_code == 5 and "SIGSEGV" in done.output


def test_seal_refuses_the_signers_own_key_as_recipient(sealer):
    done = sealer.seal(IDENTITY, recipient="signing.pub")
    assert done.exit_code == 3 and "a signing key is among the recipients" in done.output


def test_seal_refuses_sequences_with_the_remedy(sealer):
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, None))
    made = model([helper.make_node("SequenceConstruct", ["x"], ["y"])], outputs=[helper.make_value_info("y", kind)])
    done = sealer.seal(made)
    assert done.exit_code == 3 and "ConcatFromSequence" in done.output


def test_seal_does_not_try_a_model_without_a_kernel_on_this_machine_if_its_card_is_complete(sealer):
    kind = TensorProto.BFLOAT16
    made = model([helper.make_node("Swish", ["x"], ["y"])], [value("x", ["n", 2], kind)], [value("y", ["n", 2], kind)])
    made.opset_import[0].version = 24
    card = {side: [{**entries[0], "datatype": "BF16"}] for side, entries in CARD.items()}
    done = sealer.seal(made, card=card)
    assert done.exit_code == 0 and "Not tried on this machine" in done.output
    assert sealer.seal(made, card={}).exit_code == 3


@pytest.mark.parametrize(
    ("labels", "classes"),
    [({"classlabels_strings": ["no", "yes"]}, ["no", "yes"]), ({"classlabels_int64s": [3, 7]}, ["3", "7"])],
)
def test_seal_turns_zipmap_into_a_tensor_and_its_labels_into_classes(sealer, labels, classes):
    done = sealer.seal(zipmap(**labels))
    assert done.exit_code == 0, done.output
    opened = sealer.opened()
    assert list(opened.classes) == classes
    numbers = np.array([[0.25, 0.75], [1, 0]], np.float32)
    assert opened.run({"x": numbers})[0]["y"].tolist() == numbers.tolist()
    assert [spec.is_batch for spec in opened.inputs] == [True]


def test_seal_keeps_the_classes_of_a_card(sealer):
    assert sealer.seal(zipmap(classlabels_int64s=[0, 1]), card={**CARD, "classes": ["ill", "well"]}).exit_code == 0
    assert sealer.opened().classes == ("ill", "well")


def test_seal_warns_of_a_model_that_refuses_zeros(sealer, caplog):
    with caplog.at_level(logging.WARNING, "governance.models"):
        steps = [helper.make_node("Reshape", ["x", "s"], ["y"])]
        made = model(steps, [value("x", ["n"])], [value("y", [2, "m"])])
        made.graph.initializer.append(helper.make_tensor("s", TensorProto.INT64, [2], [2, -1]))
        assert sealer.seal(made).exit_code == 0
    assert "example_shape" in caplog.text
