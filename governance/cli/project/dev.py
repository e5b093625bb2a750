"""`bento-governance dev`: make what is missing, seal what has changed, serve, and start again after each change."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from governance.cli.options import PATH
from governance.cli.project.contents import EXAMPLE, ROLES, json_body
from governance.cli.project.init import SETTINGS, call_of
from governance.cli.project.state import MODELS, caller_file, make_state
from governance.errors import ConfigurationError, GovernanceError
from governance.files import Fingerprint, fingerprint
from governance.settings import Settings, load_settings

LOOK_SECONDS = 0.5
# Policies are not among them: a running service uses changed ones by itself.
WATCHED = ("*.py", SETTINGS, "bentofile.yaml", f"{MODELS}/**/*", "*.cedarschema")
NOT_CODE = ("test_*.py", "conftest.py")


@click.command()
@click.option("--folder", type=PATH, default=Path(), help="Folder of the service. Default: the current one.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port on 127.0.0.1.")
@click.option("--once", is_flag=True, help="Make keys, models and a caller, and end without serving.")
def dev(folder: Path, port: int, once: bool) -> None:
    """Serve the service in a folder on 127.0.0.1, and start it again after each change of its files.

    Missing keys are made, marked for development; a changed model in models/NAME is sealed again. A service without
    `development = true` refuses these keys.

    \b
    Examples:
      bento-governance dev
      bento-governance dev --port 3001
    """
    if not (folder / SETTINGS).is_file():
        raise ConfigurationError(f"{folder / SETTINGS} does not exist: `bento-governance init NAME` makes a service")
    if once:
        _prepare(folder)
        return
    _verify_port(port)
    with _ending_at_sigterm():
        _serve_and_follow(folder, port)


def _prepare(folder: Path) -> Settings:
    settings = load_settings(folder / SETTINGS)
    for sentence in make_state(settings, folder.resolve(), ROLES):
        click.echo(sentence)
    return settings


def _serve_and_follow(folder: Path, port: int) -> None:
    first = True
    while True:
        seen = _state_of(folder)
        server = None
        try:
            settings = _prepare(folder)
            if first:
                click.echo(_greeting(folder, settings, port))
            server = _start(folder, port)
            first = False
        except GovernanceError as error:
            click.echo(f"{error.code}: {error}\nWaiting for a change.", err=True)
        try:
            changed = _wait_for_change(folder, seen, server)
        finally:
            _stop(server)
        click.echo(f"{', '.join(changed)} changed: starting again")


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bentoml", "serve", ".", "--host", "127.0.0.1", "--port", str(port)]
    environment = {"GOVERNANCE_LOGS__TRACEBACKS": "true", **os.environ}
    # A session of its own, so that Ctrl-C reaches it once, from here.
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)


def _stop(server: subprocess.Popen[bytes] | None) -> None:
    """Let the service finish its requests; the port is free afterwards."""
    if server is None or server.poll() is not None:
        return
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _wait_for_change(
    folder: Path, seen: dict[str, Fingerprint | None], server: subprocess.Popen[bytes] | None
) -> list[str]:
    """Wait until a watched file differs, and return which ones do; say once if the service ends meanwhile."""
    said = server is None
    while True:
        now = _state_of(folder)
        changed = sorted(name for name in {*seen, *now} if seen.get(name) != now.get(name))
        if changed:
            return changed
        if not said and server is not None and server.poll() is not None:
            click.echo(f"The service ended with status {server.returncode}. Waiting for a change.", err=True)
            said = True
        time.sleep(LOOK_SECONDS)


def _state_of(folder: Path) -> dict[str, Fingerprint | None]:
    """Return the fingerprint of each watched file."""
    found = (path for pattern in WATCHED for path in folder.glob(pattern))
    return {
        path.relative_to(folder).as_posix(): fingerprint(path)
        for path in found
        if path.is_file() and not any(path.match(pattern) for pattern in NOT_CODE)
    }


def _greeting(folder: Path, settings: Settings, port: int) -> str:
    caller, url = caller_file(settings), f"http://127.0.0.1:{port}"
    if caller is None or not settings.routes or not (folder / EXAMPLE).is_file():
        return f"Serving {url}"
    call = call_of(settings.routes[0].path, json_body(), f"$(cat {_relative(caller, folder)})", url)
    return f"\nServing {url}, for development. Call it, in another terminal in this folder:\n\n  {call}\n"


def _relative(path: Path, folder: Path) -> Path:
    return path.relative_to(folder.resolve()) if path.is_relative_to(folder.resolve()) else path


def _verify_port(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise ConfigurationError(f"port {port} is in use: choose another one, for example --port {port + 1}")


@contextmanager
def _ending_at_sigterm() -> Iterator[None]:
    """End the block, with its service, at SIGTERM and at Ctrl-C."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)
