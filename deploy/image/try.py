"""Runs an image as the chart would, on a machine without Kubernetes, and calls it.

    python deploy/image/try.py IMAGE STATE HELM

Needs root, buildah and runc. Each container runs with a read-only root, as uid 10001, without capabilities and with no
new privileges; settings, mounts and commands are those that HELM (the binary) renders from the chart. STATE is a folder
that bentos/digits/prepare.sh created. The exit status is 0 if every step succeeded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
USER = 10001
SCRATCH = "/tmp"  # noqa: S108
PLUGINS = ["audit", "metrics", "identity", "stop", "limits", "policy", "privacy"]
VOLUMES = ("keys", "keys-source", "callers", "callers-source", "audit", "policy", "trust", "stop", "claim-models")
# Keys that stay with their owners, and are never in a pod.
PERSONAL_KEYS = ("signing.key", "stop.key", "demo.api-key")
INSPECT = (
    "id -u; grep -E '^(Cap(Eff|Bnd)|NoNewPrivs)' /proc/1/status; tr '\\0' ' ' </proc/1/cmdline; echo; touch /app/x"
)
VERIFY = [
    *("bento-governance", "audit", "verify", "/var/lib/bento-governance/audit"),
    *("--key", "/etc/bento-governance/trust/checkpoint.key.pub"),
]
URL = "http://127.0.0.1:3000"
START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its mounted root folder and its environment variables."""

    root: Path
    environment: list[str]


def manifests(helm: str) -> list[dict[str, Any]]:
    """Render the chart for both digit models on a claim, with the bento's own policies."""
    route = {
        "path": "/classify",
        "model": "digits-cnn",
        "model_parameter": "model",
        "models": ["digits-cnn", "digits-rnn"],
        "content_types": ["multipart/form-data"],
    }
    values = {
        "replicas": 1,
        "settings": {"service": {"name": "digits", "plugins": PLUGINS}, "routes": [route]},
        "models": {
            name: {"source": "claim", "claim": "models", "path": f"{name}.sealed", "groups": ["digits"]}
            for name in ("digits-cnn", "digits-rnn")
        },
        "keys": {"secretName": "keys"},
        "apiKeys": {"secretName": "callers"},
        "stop": {"configMap": "stop"},
        "trust": {"existingConfigMap": "trust"},
        "policy": {"existingConfigMap": "policy"},
    }
    command = [helm, "template", "try", str(ROOT / "helm/bento-governance"), "--kube-version", "1.35.0", "-f", "-"]
    done = subprocess.run(command, input=json.dumps(values), text=True, capture_output=True, check=True)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def settings_text(documents: list[dict[str, Any]]) -> str:
    """Return the governance.toml that the chart renders."""
    texts = (document.get("data", {}).get("governance.toml") for document in documents)
    return str(next(text for text in texts if text))


def fill_volumes(volumes: Path, state: Path, settings: str) -> None:
    """Create the volumes as kubelet would: Secrets readable for a group, everything else owned by the user.

    Args:
        volumes: an empty folder; each volume becomes a folder in it.
        state: keys, callers and artifacts that bentos/digits/prepare.sh created.
        settings: the text of governance.toml.
    """
    for name in VOLUMES:
        (volumes / name).mkdir(parents=True)
    for file in (state / "keys").iterdir():
        if file.name not in PERSONAL_KEYS:
            shutil.copy(file, volumes / ("trust" if file.suffix == ".pub" else "keys-source") / file.name)
    shutil.copy(state / "api-keys.json", volumes / "callers-source")
    shutil.copy(state / "stop.json", volumes / "stop")
    for file in (state / "artifacts").iterdir():
        shutil.copy(file, volumes / "claim-models")
    for name in ("policy.cedar", "schema.cedarschema"):
        shutil.copy(ROOT / "bentos/digits" / name, volumes / "policy")
    (volumes / "settings").write_text(settings)
    for path in volumes.rglob("*"):
        secret = path.parent.name.endswith("-source")
        os.chown(path, 0 if secret else USER, USER)
        path.chmod(0o2770 if path.is_dir() else 0o440 if secret else 0o644)


def bundle(folder: Path, image: Image, volumes: Path, container: dict[str, Any]) -> None:
    """Write the bundle from which runc starts a container of the pod.

    Args:
        folder: the bundle's folder; it must not exist.
        image: the image to run.
        volumes: the folder that `fill_volumes` filled.
        container: the container as the chart renders it.
    """
    folder.mkdir()
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    file = folder / "config.json"
    spec = json.loads(file.read_text())
    spec["process"] |= _process(image, container)
    spec["root"] = {"path": str(image.root), "readonly": True}
    spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] != "/dev/mqueue"]
    spec["mounts"] += [_mount(mount, volumes) for mount in container.get("volumeMounts", ())]
    # Container engines provide this file, and BentoML resolves "localhost".
    spec["mounts"].append(_bind("/etc/hosts", "/etc/hosts", read_only=True))
    # Without a network namespace the service is reachable on the machine's loopback.
    spec["linux"]["namespaces"] = [space for space in spec["linux"]["namespaces"] if space["type"] != "network"]
    file.write_text(json.dumps(spec))


def _process(image: Image, container: dict[str, Any]) -> dict[str, Any]:
    environment = dict(variable.split("=", 1) for variable in image.environment)
    for item in container.get("env", ()):
        environment[item["name"]] = item.get("value", "try-0").replace("$(POD_NAME)", "try-0")
    return {
        "terminal": False,
        "user": {"uid": USER, "gid": USER},
        "cwd": "/app",
        "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted", "ambient")},
        "noNewPrivileges": True,
        "args": [*container["command"], *container.get("args", ())],
        "env": [f"{name}={value}" for name, value in environment.items()],
        "rlimits": [],
    }


def _mount(mount: dict[str, Any], volumes: Path) -> dict[str, Any]:
    if mount["mountPath"] == SCRATCH:
        options = ["nosuid", "nodev", "mode=1777"]
        return {"destination": SCRATCH, "type": "tmpfs", "source": "tmpfs", "options": options}
    bound = _bind(str(volumes / mount["name"]), mount["mountPath"], read_only=mount.get("readOnly", False))
    return {**bound, "options": [*bound["options"], "nosuid", "nodev"]}


def _bind(source: str, destination: str, *, read_only: bool) -> dict[str, Any]:
    options = ["bind", "ro" if read_only else "rw"]
    return {"destination": destination, "type": "bind", "source": source, "options": options}


@contextmanager
def mounted(name: str) -> Iterator[Image]:
    """Mount an image's root file system until the block ends."""
    inspected = subprocess.run(
        ["buildah", "inspect", "--type", "image", name], capture_output=True, text=True, check=True
    )
    environment = json.loads(inspected.stdout)["OCIv1"]["config"]["Env"]
    container = subprocess.run(["buildah", "from", name], capture_output=True, text=True, check=True).stdout.strip()
    try:
        root = subprocess.run(["buildah", "mount", container], capture_output=True, text=True, check=True).stdout
        yield Image(Path(root.strip()), environment)
    finally:
        subprocess.run(["buildah", "rm", container], capture_output=True, check=False)


@dataclass(frozen=True, slots=True)
class Pod:
    """The containers of one pod, which share an image and volumes."""

    folder: Path
    image: Image
    volumes: Path

    def identifier(self, name: str) -> str:
        """Return the name by which runc knows a container."""
        return f"try-{os.getpid()}-{name}"

    def command(self, name: str, container: dict[str, Any]) -> list[str]:
        """Write a container's bundle, and return the command that runs it."""
        bundle(self.folder / name, self.image, self.volumes, container)
        return ["runc", "run", "--bundle", str(self.folder / name), self.identifier(name)]

    def run(self, name: str, container: dict[str, Any]) -> int:
        """Run a container to its end; return its exit status."""
        return subprocess.run(self.command(name, container), check=False).returncode

    def shell(self, name: str, script: str) -> None:
        """Run a script in a container that is running, and print what it prints."""
        print(
            subprocess.run(
                ["runc", "exec", self.identifier(name), "sh", "-c", script], capture_output=True, text=True, check=False
            )
        )

    def stop(self, name: str) -> None:
        """Send SIGTERM to a container."""
        subprocess.run(["runc", "kill", self.identifier(name), "TERM"], check=True)


def status(path: str, key: str = "") -> int:
    """Return the HTTP status of a GET request; 0 if there is no answer."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(URL + path, headers=headers), timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until_ready(process: subprocess.Popen[bytes]) -> bool:
    """Return whether the service becomes ready before it exits and before the time limit."""
    started = time.monotonic()
    while status("/readyz") != 200:
        if process.poll() is not None or time.monotonic() - started > START_SECONDS:
            return False
        time.sleep(0.2)
    print(f"ready after {time.monotonic() - started:.1f} s")
    return True


def call(state: Path) -> None:
    """Call the service without and with a key, and print the answers."""
    key = (state / "keys/demo.api-key").read_text().strip()
    model = "/v2/models/digits-cnn"
    print(f"GET {model} without a key: {status(model)}")
    print(f"GET {model} with a key: {status(model, key)}")
    picture = [
        "curl",
        "-s",
        "-i",
        "-H",
        f"Authorization: Bearer {key}",
        "-F",
        f"image=@{state}/digit.png",
        f"{URL}/classify",
    ]
    print(subprocess.run(picture, capture_output=True, text=True, check=True).stdout)


def run_pod(pod: Pod, documents: list[dict[str, Any]], state: Path) -> bool:
    """Run the init containers, the service, calls, `helm test`, a stop by SIGTERM, and the verification of the log.

    Args:
        pod: the pod.
        documents: the objects that the chart renders.
        state: the folder with the demo caller's key.

    Returns:
        Whether every step succeeded.
    """
    containers = next(d["spec"]["template"]["spec"] for d in documents if d["kind"] == "StatefulSet")
    for container in containers["initContainers"]:
        # A container with this policy is a sidecar, which does not end.
        if container.get("restartPolicy") != "Always" and pod.run(container["name"], container) != 0:
            return False
    (server,) = containers["containers"]
    process = subprocess.Popen(pod.command("server", server))
    if not wait_until_ready(process):
        return False
    call(state)
    test = next(d["spec"]["containers"][0] for d in documents if d["kind"] == "Pod")
    tested = pod.run("test", {**test, "env": [{"name": "SERVICE_URL", "value": URL}, *test["env"][1:]]})
    pod.shell("server", INSPECT)
    pod.stop("server")
    stopped = process.wait(60)
    print(f"helm test {tested}, after SIGTERM {stopped}")
    verified = pod.run("verify", {**server, "command": VERIFY, "args": []})
    return tested == stopped == verified == 0


def main(image_name: str, state: Path, helm: str) -> int:
    """Run the image; return the exit status.

    Args:
        image_name: the image, as buildah knows it.
        state: the folder that bentos/digits/prepare.sh created.
        helm: path of the helm binary.
    """
    documents = manifests(helm)
    with mounted(image_name) as image, tempfile.TemporaryDirectory() as folder:
        # The containers' user must be able to enter it.
        Path(folder).chmod(0o755)
        pod = Pod(Path(folder), image, Path(folder) / "volumes")
        fill_volumes(pod.volumes, state, settings_text(documents))
        return 0 if run_pod(pod, documents, state) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve(), sys.argv[3]))
