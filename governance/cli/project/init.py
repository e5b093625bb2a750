"""`bento-governance init`: make the folder of a new governed service."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from governance.cli.options import PATH
from governance.cli.project.contents import ROLES, Contents, plain_contents, verified_name
from governance.cli.project.state import caller_file, make_state
from governance.errors import ConfigurationError
from governance.settings import load_settings

SETTINGS = "governance.toml"


@click.command()
@click.argument("name")
@click.option("--model", type=PATH, help="ONNX model to serve: a file, or a folder as `adopt` writes it.")
@click.option("--service", help="Existing BentoML service to put behind the gate, as MODULE:CLASS.")
@click.option("--in", "parent", type=PATH, default=Path(), help="Folder to make it in. Default: the current one.")
def init(name: str, model: Path | None, service: str | None, parent: Path) -> None:
    """Make the folder NAME with a governed service: code, settings, policies, keys for development, a first caller.

    Without an option, the service is plain Python without a model. With --model it serves an ONNX model, whose card is
    written from its graph. With --service it has the routes of an existing service, whose code is copied.

    \b
    Examples:
      bento-governance init hello
      bento-governance init iris --model iris.onnx
      bento-governance init ward --service service:Ward
    """
    if model is not None and service is not None:
        raise click.UsageError("give --model or --service, not both")
    folder = parent / verified_name(name)
    if folder.exists():
        raise ConfigurationError(f"{folder} exists already; init never changes existing files: choose another name")
    contents = _made_in(folder, lambda new: _write(new, name, model, service))
    settings = load_settings(folder / SETTINGS, {})
    for sentence in make_state(settings, folder.resolve(), ROLES):
        click.echo(sentence)
    click.echo(_next_steps(folder, contents, caller_file(settings)))


def _write(folder: Path, name: str, model: Path | None, service: str | None) -> Contents:
    if model is not None:
        from governance.cli.project.onnx_model import model_contents, model_files, write_card

        files, place = model_files(model), folder / "models" / name
        for path, source in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            _copy_file(source, place / path)
        card, signature = write_card(place, name)
        contents = model_contents(name, card, signature)
    elif service is not None:
        from governance.cli.project.existing import service_contents

        contents = service_contents(name, service)
    else:
        contents = plain_contents(name)
    contents.write(folder)
    return contents


def _copy_file(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise ConfigurationError(f"cannot copy {source}: {error.strerror}") from None


def _made_in(folder: Path, write: Callable[[Path], Contents]) -> Contents:
    """Write into a new folder that gets its name when it is complete: a failure leaves nothing behind."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise ConfigurationError(f"cannot write {folder}: {error.strerror}") from None
    try:
        contents = write(new)
        new.chmod(0o755)
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return contents


def _next_steps(folder: Path, contents: Contents, caller: Path | None) -> str:
    key = f"$(cat {caller.relative_to(folder.resolve())})" if caller is not None else "KEY"
    return f"""
{folder} is ready. Serve it:

  cd {shlex.quote(str(folder))} && bentoml serve .

Call it, in another terminal in that folder:

  {call_of(contents.values["route"], contents.body, key)}

`bento-governance dev` serves it and follows changes; `bento-governance doctor` says what is wrong."""


def call_of(route: str, body: str, key: str, url: str = "http://127.0.0.1:3000") -> str:
    """Return a command that calls a route with a key."""
    return f'curl -s {url}{route} -H "Authorization: Bearer {key}" {body}'
