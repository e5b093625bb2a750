"""The chart's README: its local steps run, and the files that they create fit the values that it shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from governance.access.stop import read_orders
from governance.keys import load_verifying_key

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "helm/bento-governance/README.md").read_text()
LOCAL = re.search(r"<!-- local -->\n```sh\n(.*?)```", TEXT, re.DOTALL)[1]
VALUES = re.search(r"<!-- install values -->\n```yaml\n(.*?)```", TEXT, re.DOTALL)[1]
SWITCH = re.search(r"^bento-governance stop .*$", TEXT, re.MULTILINE)[0]


def shell(text, folder):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", text], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("readme")
    (folder / "export").mkdir()
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.ones((4, 2), np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    (folder / "export/model.onnx").write_bytes(model.SerializeToString())
    (folder / "export/card.json").write_text("{}")
    shell(LOCAL, folder)
    return folder


def test_chart_readme_local_steps_create_every_file_for_the_cluster(made):
    for name in re.findall(r"--from-file=(\S+)", TEXT):
        assert (made / name).is_file() or name in ("policy.cedar", "schema.cedarschema"), name
    assert (made / "digits-cnn.sealed").is_file()


def test_chart_readme_stop_command_stops_a_model(made):
    shell(SWITCH, made)
    orders = read_orders(made / "stop.json", [load_verifying_key(made / "keys/stop.key.pub")], "digits")
    assert set(orders.stopped) == {"digits-cnn"} and orders.sequence == 2


def test_chart_readme_values_render(helm, tmp_path):
    (tmp_path / "values.yaml").write_text(VALUES)
    documents = helm.template("-f", tmp_path / "values.yaml")
    (statefulset,) = [document for document in documents if document["kind"] == "StatefulSet"]
    files = set(re.findall(r"--from-file=(?:keys/)?(\S+)", TEXT))
    toml = next(
        document["data"]["governance.toml"] for document in documents if "governance.toml" in document.get("data", {})
    )
    named = set(re.findall(r"/(?:keys|trust|policy|callers|stop)/([\w.-]+)\"", toml))
    assert named and named <= files
    objects = set(re.findall(r"create (?:secret generic|configmap) (\S+)", TEXT))
    sources = {
        v.get("secret", {}).get("secretName") or v.get("configMap", {}).get("name")
        for v in statefulset["spec"]["template"]["spec"]["volumes"]
    }
    assert {name for name in sources if name and not name.startswith("release-")} <= objects


def test_chart_readme_commands_create_the_objects_of_the_values():
    values = yaml.safe_load(VALUES)
    assert values["keys"]["secretName"] in TEXT and values["stop"]["configMap"] in TEXT
