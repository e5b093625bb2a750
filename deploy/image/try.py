"""Runs an image as the chart would, on a machine without Kubernetes, and calls it.

    python deploy/image/try.py IMAGE STATE HELM

As root, with buildah and runc: read-only root, uid 10001, no capability, no new privileges; settings, mounts and
commands are those that HELM (the binary) renders. STATE is a folder that bentos/digits/prepare.sh made.
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
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
USER = 10001
SCRATCH = "/tmp"  # noqa: S108
PLUGINS = ["audit", "metrics", "identity", "stop", "limits", "policy", "privacy"]
VOLUMES = ("keys", "keys-source", "callers", "callers-source", "audit", "policy", "trust", "stop", "claim-models")
LOOK = "id -u; grep -E '^(Cap(Eff|Bnd)|NoNewPrivs)' /proc/1/status; tr '\\0' ' ' </proc/1/cmdline; echo; touch /app/x"
URL = "http://127.0.0.1:3000"


def manifests(helm: str) -> list[dict[str, Any]]:
    """Render the chart for both digit models on a claim, with the bento's own policies."""
    values = {
        "replicas": 1,
        "settings": {
            "service": {"name": "digits", "plugins": PLUGINS},
            "routes": [{"path": "/classify", "model": "digits-cnn", "model_parameter": "model",
                        "models": ["digits-cnn", "digits-rnn"], "content_types": ["multipart/form-data"]}],
        },
        "models": {name: {"source": "claim", "claim": "models", "path": f"{name}.sealed", "groups": ["digits"]}
                   for name in ("digits-cnn", "digits-rnn")},
        "keys": {"secretName": "keys"}, "apiKeys": {"secretName": "callers"}, "stop": {"configMap": "stop"},
        "trust": {"existingConfigMap": "trust"}, "policy": {"existingConfigMap": "policy"},
    }  # fmt: skip
    done = subprocess.run(
        [helm, "template", "try", str(ROOT / "helm/bento-governance"), "--kube-version", "1.35.0", "-f", "-"],
        input=json.dumps(values), text=True, capture_output=True, check=True,
    )  # fmt: skip
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def fill(volumes: Path, state: Path, documents: list[dict[str, Any]]) -> None:
    """Make the volumes as kubelet would: Secrets for a group, the rest for the user."""
    for name in (
        "keys",
        "keys-source",
        "callers",
        "callers-source",
        "audit",
        "policy",
        "trust",
        "stop",
        "claim-models",
    ):
        (volumes / name).mkdir(parents=True)
    for file in (state / "keys").iterdir():
        target = volumes / ("trust" if file.suffix == ".pub" else "keys-source")
        if file.name not in ("signing.key", "stop.key", "demo.api-key"):
            shutil.copy(file, target / file.name)
    shutil.copy(state / "api-keys.json", volumes / "callers-source")
    shutil.copy(state / "stop.json", volumes / "stop")
    for file in (state / "artifacts").iterdir():
        shutil.copy(file, volumes / "claim-models")
    for name in ("policy.cedar", "schema.cedarschema"):
        shutil.copy(ROOT / "bentos/digits" / name, volumes / "policy")
    toml = next(d["data"]["governance.toml"] for d in documents if "governance.toml" in d.get("data", {}))
    (volumes / "settings").write_text(toml)
    for path in volumes.rglob("*"):
        secret = path.parent.name.endswith("-source")
        os.chown(path, 0 if secret else USER, USER)
        path.chmod(0o2770 if path.is_dir() else 0o440 if secret else 0o644)


def bundle(folder: Path, root: Path, volumes: Path, container: dict[str, Any]) -> None:
    """Write runc's bundle of one container of the pod."""
    folder.mkdir()
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    spec = json.loads((folder / "config.json").read_text())
    environment = dict(variable.split("=", 1) for variable in container["image_environment"])
    environment |= {
        item["name"]: item.get("value", "try-0").replace("$(POD_NAME)", "try-0") for item in container["env"]
    }
    mounts = [mount for mount in spec["mounts"] if mount["destination"] not in ("/dev/mqueue",)]
    for mount in container.get("volumeMounts", ()):
        if mount["mountPath"] == SCRATCH:
            mounts.append(
                {
                    "destination": SCRATCH,
                    "type": "tmpfs",
                    "source": "tmpfs",
                    "options": ["nosuid", "nodev", "mode=1777"],
                }
            )
        else:
            options = ["bind", "ro" if mount.get("readOnly") else "rw", "nosuid", "nodev"]
            mounts.append(
                {
                    "destination": mount["mountPath"],
                    "type": "bind",
                    "source": str(volumes / mount["name"]),
                    "options": options,
                }
            )
    # Every engine gives a container this file, and BentoML looks up "localhost".
    mounts.append({"destination": "/etc/hosts", "type": "bind", "source": "/etc/hosts", "options": ["bind", "ro"]})
    nothing = {kind: [] for kind in ("bounding", "effective", "permitted", "ambient")}
    spec["process"] |= {
        "terminal": False, "user": {"uid": USER, "gid": USER}, "cwd": "/app", "capabilities": nothing, "noNewPrivileges": True,
        "args": [*container["command"], *container.get("args", ())], "env": [f"{k}={v}" for k, v in environment.items()],
        "rlimits": [],
    }  # fmt: skip
    spec["root"] = {"path": str(root), "readonly": True}
    spec["mounts"] = mounts
    spec["linux"]["namespaces"] = [space for space in spec["linux"]["namespaces"] if space["type"] != "network"]
    (folder / "config.json").write_text(json.dumps(spec))


def status(path: str, **headers: str) -> int:
    """Return the status of a GET."""
    try:
        with urllib.request.urlopen(urllib.request.Request(URL + path, headers=headers), timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def main(image: str, state: Path, helm: str) -> int:
    """Run the init steps, the service, calls, `helm test`, a stop by SIGTERM, and the check of the log."""
    documents = manifests(helm)
    pod = next(d["spec"]["template"]["spec"] for d in documents if d["kind"] == "StatefulSet")
    test = next(d["spec"]["containers"][0] for d in documents if d["kind"] == "Pod")
    built = subprocess.run(["buildah", "from", image], capture_output=True, text=True, check=True).stdout.strip()
    root = Path(subprocess.run(["buildah", "mount", built], capture_output=True, text=True, check=True).stdout.strip())
    said = subprocess.run(["buildah", "inspect", "--type", "image", image], capture_output=True, text=True, check=True)
    variables = json.loads(said.stdout)["OCIv1"]["config"]["Env"]
    work = Path(tempfile.mkdtemp())
    work.chmod(0o755)
    volumes = work / "volumes"
    fill(volumes, state, documents)

    def run(name: str, container: dict[str, Any]) -> list[str]:
        bundle(work / name, root, volumes, {"env": [], "image_environment": variables, **container})
        return ["runc", "run", "--bundle", str(work / name), f"try-{os.getpid()}-{name}"]

    try:
        for container in pod["initContainers"]:
            if container.get("restartPolicy") != "Always":
                subprocess.run(run(container["name"], container), check=True)
        (server,) = pod["containers"]
        process = subprocess.Popen(run("server", server))
        started = time.monotonic()
        while status("/readyz") != 200:
            if process.poll() is not None or time.monotonic() - started > 120:
                return 1
            time.sleep(0.2)
        print(f"ready after {time.monotonic() - started:.1f} s")
        key = (state / "keys/demo.api-key").read_text().strip()
        for path, headers in (
            ("/v2/models/digits-cnn", {}),
            ("/v2/models/digits-cnn", {"Authorization": f"Bearer {key}"}),
        ):
            print(f"GET {path} {'with a key' if headers else 'without a key'}: {status(path, **headers)}")
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
        local = {**test, "env": [{"name": "SERVICE_URL", "value": URL}, *test["env"][1:]]}
        tested = subprocess.run(run("test", local), check=False).returncode
        inside = ["runc", "exec", f"try-{os.getpid()}-server", "sh", "-c", LOOK]
        print(subprocess.run(inside, capture_output=True, text=True, check=False))
        subprocess.run(["runc", "kill", f"try-{os.getpid()}-server", "TERM"], check=True)
        stopped = process.wait(60)
        print(f"helm test {tested}, after SIGTERM {stopped}")
        verify = {
            "command": [
                "bento-governance",
                "audit",
                "verify",
                "/var/lib/bento-governance/audit",
                "--key",
                "/etc/bento-governance/trust/checkpoint.key.pub",
            ]
        }
        verified = subprocess.run(run("verify", {**server, **verify, "args": []}), check=False).returncode
        return int(bool(tested or stopped or verified))
    finally:
        subprocess.run(["buildah", "rm", built], capture_output=True, check=False)
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve(), sys.argv[3]))
