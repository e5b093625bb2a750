"""A small sealed model, with the keys that open it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from governance.artifacts.opening import open_sealed
from governance.artifacts.seal import SealOptions, seal_folder
from governance.artifacts.trust.signing import ModelSigner
from governance.artifacts.trust.trust import Trust
from governance.keys import RecipientKey, SigningKey, generate_recipient_key, generate_signing_key

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def small_model() -> bytes:
    weights = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return model.SerializeToString()


@dataclass
class Sealed:
    """A sealed artifact and its keys."""

    folder: Path
    file: Path
    signer: SigningKey
    recipient: RecipientKey

    @property
    def trust(self) -> Trust:
        return Trust((self.signer.public_key,), 1)

    def open(self, file=None, **changes):
        arguments = {"name": "small", "minimum_version": 1, "trust": self.trust, "recipient_key": self.recipient}
        return open_sealed(file or self.file, **{**arguments, **changes})

    def seal(self, output, **changes):
        arguments = {
            "name": "small",
            "version": 3,
            "signers": [ModelSigner(self.signer)],
            "recipients": [self.recipient.public_key],
            "created": CREATED,
            "part_bytes": 64,
        }
        return seal_folder(self.folder, output, SealOptions(**{**arguments, **changes}))


@pytest.fixture(scope="session")
def sealed(tmp_path_factory) -> Sealed:
    root = tmp_path_factory.mktemp("sealed")
    folder = root / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(small_model())
    (folder / "card.json").write_text(json.dumps({"name": "small"}))
    (folder / "empty").write_bytes(b"")
    made = Sealed(
        folder,
        root / "small.sealed",
        generate_signing_key(),
        generate_recipient_key("x-wing", lambda _: bytes(range(32))),
    )
    made.seal(made.file)
    onnx.checker.check_model(onnx.load_model_from_string(small_model()))
    return made
