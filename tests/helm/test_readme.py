"""The chart's README: its local steps run, and the files that they create fit the values that it shows."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml

from governance.access.stop import read_orders
from governance.keys import load_verifying_key
from governance.testing import answers, free_port, running
from tests.helm.test_steps import BIN, answering, container, helm_test, in_folder

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "helm/bento-governance/README.md").read_text()
LOCAL = re.search(r"<!-- local -->\n```sh\n(.*?)```", TEXT, re.DOTALL)[1]
VALUES = re.search(r"<!-- install values -->\n```yaml\n(.*?)```", TEXT, re.DOTALL)[1]
MODELS = ("digits-cnn", "digits-rnn")
SWITCH = re.search(r"^bento-governance stop .*$", TEXT, re.MULTILINE)[0]


def shell(text, folder):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", text], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder in which steps 1 to 4 ran, with the trained models of the digits service."""
    folder = tmp_path_factory.mktemp("readme")
    for model in MODELS:
        plain = ROOT / ".state/training" / model / "export"
        if not plain.is_dir():
            pytest.fail("the digit models are not trained: run `make models` first, or `make test`, which does")
        shutil.copytree(plain, folder / "export" / model)
    for name in ("policy.cedar", "schema.cedarschema"):
        shutil.copy(ROOT / "bentos/digits" / name, folder)
    (folder / "printed.txt").write_text(shell(LOCAL, folder))
    return folder


def test_chart_readme_local_steps_create_every_file_for_the_cluster(made):
    for name in re.findall(r"--from-file=(\S+)", TEXT):
        assert (made / name).is_file(), name
    assert all((made / f"{model}.sealed").is_file() for model in MODELS)


def test_chart_readme_stop_command_stops_a_model(made, tmp_path):
    desk = shutil.copytree(made, tmp_path / "desk")
    shell(SWITCH, desk)
    orders = read_orders(desk / "stop.json", [load_verifying_key(desk / "keys/stop.key.pub")], "digits")
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


def objects_of_the_readme(made):
    """Return the files of each Secret and ConfigMap that the README's commands create, by the object's name."""
    commands = re.findall(r"^kubectl -n ml create (?:secret generic|configmap) (\S+)(.*)$", TEXT, re.MULTILINE)
    return {
        name: {Path(file).name: (made / file).read_bytes() for file in re.findall(r"--from-file=(\S+)", flags)}
        for name, flags in commands
        if "--dry-run" not in flags
    }


def mount(documents, objects, node):
    """Write what the pod's containers would see below `node`: objects as files, empty folders for all else."""
    (pod,) = [d["spec"]["template"]["spec"] for d in documents if d["kind"] == "StatefulSet"]
    objects = objects | {
        d["metadata"]["name"]: {name: text.encode() for name, text in d["data"].items()}
        for d in documents
        if d["kind"] == "ConfigMap"
    }
    sources = {
        v["name"]: objects[(v.get("secret") or {}).get("secretName") or v["configMap"]["name"]]
        for v in pod["volumes"]
        if "secret" in v or "configMap" in v
    }
    for mounted in [m for c in [*pod["initContainers"], *pod["containers"]] for m in c["volumeMounts"]]:
        place = node / mounted["mountPath"].lstrip("/")
        if "subPath" in mounted:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(sources[mounted["name"]][mounted["subPath"]])
            continue
        place.mkdir(parents=True, exist_ok=True)
        for name, content in sources.get(mounted["name"], {}).items():
            (place / name).write_bytes(content)
            (place / name).chmod(0o440)


@pytest.fixture(scope="module")
def pod(helm, made, tmp_path_factory):
    """A pod of the README's values: its objects mounted below a folder, and its init containers have run."""
    values, node = yaml.safe_load(VALUES), tmp_path_factory.mktemp("node")
    blobs = {model: (made / f"{model}.sealed").read_bytes() for model in MODELS}
    for model, content in blobs.items():
        repository = values["models"][model]["reference"].partition("@")[0]
        values["models"][model]["reference"] = f"{repository}@sha256:{hashlib.sha256(content).hexdigest()}"
    (node / "values.yaml").write_text(yaml.safe_dump(values))
    documents = helm.template("-f", node / "values.yaml")
    image = node / "app/bentos"
    shutil.copytree(
        ROOT / "bentos/digits", image / "digits", ignore=shutil.ignore_patterns("state", "*.toml", "*.cedar*")
    )
    (image / "__init__.py").touch()
    mount(documents, objects_of_the_readme(made), node)
    settings = image / "digits/governance.toml"
    settings.write_text(re.sub(r"/(run|etc|var|models)/", rf"{node}/\1/", settings.read_text()))

    def blob(request):
        by_path = {f"/v2/ml/{m}/blobs/sha256:{hashlib.sha256(c).hexdigest()}": c for m, c in blobs.items()}
        return (200, by_path[request.path]) if request.path in by_path else (404, b"")

    with answering(blob) as registry:
        for step in ("keys", "artifacts"):
            command = in_folder(container(documents, step), node)
            command[-1] = command[-1].replace("https://registry.example.org", registry)
            environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(node)}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    return documents, node


def test_chart_readme_ten_steps_end_with_a_ready_service_that_answers_its_caller(pod, made):
    documents, node = pod
    server, port = container(documents, "server"), free_port()
    arguments = [str(port) if a == "3000" else a for a in server["args"]]
    arguments[arguments.index("--host") + 1] = "127.0.0.1"
    command = [str(BIN / server["command"][0]), *server["command"][1:], *arguments]
    variables = {item["name"]: item.get("value", "release-0") for item in server["env"]}
    environment = {
        **os.environ,
        **{
            name: value.replace("$(POD_NAME)", "release-0").replace("/tmp", str(node))
            for name, value in variables.items()
        },
        "PYTHONPATH": f"{node}/app:{ROOT}",
    }
    probe = server["readinessProbe"]["httpGet"]["path"]
    url, key = f"http://127.0.0.1:{port}", re.search(r"^bgk_\S+", (made / "printed.txt").read_text(), re.MULTILINE)[0]
    with running(command, partial(answers, url + probe), log=node / "log", cwd=node / "app", environment=environment):
        checked = helm_test(documents, url)
        assert checked.returncode == 0, checked.stdout
        for model in MODELS:
            tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [0.0] * 784}
            headers = {"authorization": f"Bearer {key}"}
            reply = httpx.post(f"{url}/v2/models/{model}/infer", json={"inputs": [tensor]}, headers=headers, timeout=30)
            assert reply.status_code == 200, reply.text
            assert reply.headers["governance-receipt"]
