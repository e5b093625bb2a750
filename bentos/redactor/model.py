"""The redactor's model for the Open Inference Protocol: it returns the texts that the privacy plugin redacted.

`python -m bentos.redactor.model FOLDER` writes what `artifact seal` takes: model.onnx and card.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from onnx import TensorProto, helper

GIVEN, ANSWERED = "text", "redacted"


def write_model(folder: Path) -> None:
    """Write a graph with one `Identity` node over texts (BYTES of shape [-1]), and its card."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node("Identity", [GIVEN], [ANSWERED])],
        "redactor",
        [helper.make_tensor_value_info(GIVEN, TensorProto.STRING, ["batch"])],
        [helper.make_tensor_value_info(ANSWERED, TensorProto.STRING, ["batch"])],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    card = {
        "inputs": [{"name": GIVEN, "datatype": "BYTES", "shape": [-1], "batch": True}],
        "outputs": [{"name": ANSWERED, "datatype": "BYTES", "shape": [-1]}],
        # With this section, a service without redaction in front of the model does not start.
        "privacy": [{"tensor": GIVEN, "class": "direct identifier", "operator": "text"}],
    }
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
