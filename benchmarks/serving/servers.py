"""The servers that are compared, each in the best setting that was found for one core, and how each is started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.peers.models import NAMES
from benchmarks.serving.environments import Environment
from governance.testing import answers, free_port, running

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MODELS = ROOT / ".state/training"
STATE = ROOT / "bentos/digits/state"
PLUGINS = ("tracing", "audit", "metrics", "identity", "stop", "limits", "policy", "privacy", "drift")
# The facts that these need come from another plugin.
NEEDS = {"limits": ("identity",), "policy": ("identity",)}
HOST = "127.0.0.1"
# MLServer imports for half a minute on a busy core.
START_SECONDS = 180.0

# ONNX Runtime of the same version as ours, which the peer's own requirements may leave out.
RUNTIME = f"onnxruntime=={version('onnxruntime')}"
LITSERVE = Environment("litserve", ("litserve==0.2.19", RUNTIME), 230)
MLSERVER = Environment("mlserver", ("mlserver==1.7.1", RUNTIME), 330)
TRITON = Environment("triton", ("nvidia-pytriton==0.7.0", RUNTIME), 450)

# The command and the environment variables of a server that shall listen on a port, its files in a folder.
Start = Callable[[int, Path], tuple[list[str | Path], Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Server:
    """One server of the comparison.

    Attributes:
        name: its name in the table.
        dialect: how it is asked (`calls.DIALECTS`).
        start: its command.
        ready: the path that answers 200 when it is ready.
        needs: the virtual environment that it runs in, if not ours.
        headers: header fields of each request.
        setting: how it is configured, for the reader.
        polls: whether it uses its core while nobody asks; it is stopped (SIGSTOP) while others are measured.
    """

    name: str
    dialect: str
    start: Start
    ready: str
    setting: str
    needs: Environment | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    polls: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: its port, the process that was started, and whether it uses its core while nobody asks."""

    port: int
    process: psutil.Process
    polls: bool

    def pause(self) -> None:
        """Stop a server that polls, and its children, so that they take nothing from the measurement of another."""
        if self.polls:
            self._send(signal.SIGSTOP)

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server and its children so far."""
        times = [process.cpu_times() for process in family(self.process)]
        return sum(time.user + time.system for time in times)

    def resume(self) -> None:
        """Let them go on."""
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        for process in family(self.process):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants that still run."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def serve(server: Server, core: int, folder: Path) -> Iterator[Served]:
    """Run a server on one core while the block runs; at its end nothing of it is left.

    Raises:
        RuntimeError: with its output, if it does not start.
    """
    port, home = free_port(), folder / server.name.replace(" ", "-").replace("/", "-")
    home.mkdir()
    command, variables = server.start(port, home)
    environment = {
        **os.environ,
        "MODELS": str(MODELS),
        "PYTHONPATH": str(ROOT),
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        **variables,
    }
    ready = partial(answers, f"http://{HOST}:{port}{server.ready}")
    pinned = ["taskset", "-c", str(core), *command]
    relatives: list[psutil.Process] = []
    try:
        with running(pinned, ready, cwd=ROOT, environment=environment, seconds=START_SECONDS) as process:
            served = Served(port, psutil.Process(process.pid), server.polls)
            try:
                yield served
            finally:
                served.resume()
                relatives = family(served.process)
    finally:
        # Some leave children behind, which would go on on the core of the next.
        for one in relatives:
            with suppress(psutil.NoSuchProcess):
                one.kill()


def governed(name: str, plugins: tuple[str, ...], setting: str) -> Server:
    """Return the digits service with these plugins."""

    def start(port: int, folder: Path) -> tuple[list[str | Path], Mapping[str, str]]:
        return _bentoml("bentos.digits.service:Digits", port), governed_variables(plugins, folder)

    key = (STATE / "keys/demo.api-key").read_text().strip()
    return Server(name, "oip", start, "/readyz", setting, headers={"Authorization": f"Bearer {key}"})


def governed_variables(plugins: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Return the settings of the digits service for a measurement: these plugins, no limit, its state in `folder`."""
    return {
        "GOVERNANCE_SERVICE__PLUGINS": json.dumps(plugins),
        "GOVERNANCE_AUDIT__DIRECTORY": f"{folder}/audit",
        "GOVERNANCE_DRIFT__DIRECTORY": f"{folder}/drift",
        "GOVERNANCE_LIMITS__RATE_PER_SECOND": "1000000",
        "GOVERNANCE_LIMITS__BURST": "1000000",
    }


def with_needs(plugin: str) -> tuple[str, ...]:
    """Return a plugin behind those without which it does not start."""
    return (*NEEDS.get(plugin, ()), plugin)


def _bentoml(service: str, port: int) -> list[str | Path]:
    return [BIN / "bentoml", "serve", service, "--host", HOST, "--port", str(port)]


def _least(port: int, folder: Path) -> tuple[list[str | Path], Mapping[str, str]]:
    options = ["--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--log-level", "error"]
    app = ["benchmarks.peers.least:app", "--no-access-log", "--host", HOST, "--port", str(port)]
    return [BIN / "uvicorn", *app, *options], {}


def _bare(port: int, folder: Path) -> tuple[list[str | Path], Mapping[str, str]]:
    return _bentoml("benchmarks.peers.bare:Bare", port), {}


def _batching(port: int, folder: Path) -> tuple[list[str | Path], Mapping[str, str]]:
    return _bentoml("benchmarks.peers.batching:Batching", port), {}


def _litserve(port: int, folder: Path) -> tuple[list[str | Path], Mapping[str, str]]:
    return [LITSERVE.python, "-m", "benchmarks.peers.lit", str(port)], {}


def _mlserver(port: int, folder: Path) -> tuple[list[str | Path], Mapping[str, str]]:
    settings = {
        "host": HOST,
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_endpoint": None,
        "parallel_workers": 0,
        "gzip_enabled": False,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    for name in NAMES:
        (folder / name).mkdir()
        model = {"name": name, "implementation": "benchmarks.peers.ml.Digits"}
        (folder / name / "model-settings.json").write_text(json.dumps(model))
    return [MLSERVER.folder / "bin/mlserver", "start", folder], {}


TRITON_MODEL = """\
backend: "python"
max_batch_size: 64
input [{ name: "image" data_type: TYPE_FP32 dims: [1, 28, 28] }]
output [{ name: "probabilities" data_type: TYPE_FP32 dims: [10] }]
instance_group [{ kind: KIND_CPU count: 1 }]
dynamic_batching {}
"""


def _triton(port: int, folder: Path) -> tuple[list[str | Path], Mapping[str, str]]:
    packages = TRITON.site_packages
    server = packages / "pytriton/tritonserver"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    # Triton looks for the stub of its Python backend next to the backend; the wheel carries one for each Python.
    shutil.copytree(server / "backends/python", folder / "backends/python")
    stub = server / f"python_backend_stubs/{python}/triton_python_backend_stub"
    shutil.copy(stub, folder / "backends/python/triton_python_backend_stub")
    for name in NAMES:
        version_folder = folder / "models" / name / "1"
        version_folder.mkdir(parents=True)
        shutil.copy(ROOT / "benchmarks/peers/triton.py", version_folder / "model.py")
        (folder / "models" / name / "config.pbtxt").write_text(TRITON_MODEL)
    libraries = (packages / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR"))
    variables = {"PEER_PACKAGES": str(packages), "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
    address = [f"--http-address={HOST}", f"--http-port={port}", "--allow-grpc=0", "--allow-metrics=0"]
    where = [f"--model-repository={folder / 'models'}", f"--backend-directory={folder / 'backends'}"]
    return [server / "bin/tritonserver", *where, *address], variables


LIT_SETTING = "batches of up to 64, fast queue; binary is base64 in JSON"
LEAST, BARE, BATCHING = "least ASGI server", "bare BentoML", "BentoML, adaptive batching"
LIT, ML, TRITON_PYTHON = "LitServe", "MLServer", "Triton, Python backend"
OFF, ALL = "governed, plugins off", "governed, all plugins"


def all_servers() -> list[Server]:
    """Return every server of the large table: the peers, and ours without plugins and with all."""
    return [
        Server(LEAST, "least", _least, "/ready", "uvicorn with uvloop and httptools; no checks"),
        Server(BARE, "bento", _bare, "/readyz", "a route of JSON, a route of raw bytes; no metrics"),
        Server(BATCHING, "bento batching", _batching, "/readyz", "`batchable=True`, batches of up to 64; JSON only"),
        Server(
            LIT,
            "lit",
            _litserve,
            "/health",
            "batches of up to 64, fast queue; binary is base64 in JSON",
            LITSERVE,
            polls=True,
        ),
        Server(ML, "oip", _mlserver, "/v2/health/ready", "no parallel workers; knows no binary tensors", MLSERVER),
        Server(
            TRITON_PYTHON,
            "oip",
            _triton,
            "/v2/health/ready",
            "of nvidia-pytriton; dynamic batching, batches of up to 64",
            TRITON,
        ),
        governed(OFF, (), "gate and protocol alone"),
        governed(ALL, PLUGINS, "all nine plugins, audit entries synced to the disk in groups"),
    ]


def single_plugins() -> list[Server]:
    """Return ours with one plugin each, and with those that it needs."""
    return [governed(f"plugin {name}", with_needs(name), " and ".join(with_needs(name))) for name in PLUGINS]
