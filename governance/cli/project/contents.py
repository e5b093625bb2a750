"""What a new service's folder holds: files from templates, a model or the code of an existing service, a first call."""

from __future__ import annotations

import json
import keyword
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from governance.cli.project.distribution import WHEELS, installed_wheel, requirements
from governance.errors import ConfigurationError

EXAMPLE = "example.json"
SUFFIX = ".template"
JSON_REQUEST = 'json=json.loads((HERE / "example.json").read_text())'
ROLES = ("user", "operator")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_RENAMED = {"gitignore": ".gitignore"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The contents of one folder.

    Attributes:
        kind: Name of the folder of templates besides `every`.
        values: Value of each variable in the templates.
        body: The first request: the options of curl that send it.
        texts: Further files, by path.
        binaries: Further files that are no text, by path.
        copies: Files and folders to copy, by the path that they get.
    """

    kind: str
    values: Mapping[str, str]
    body: str
    texts: Mapping[str, str] = field(default_factory=dict)
    binaries: Mapping[str, bytes] = field(default_factory=dict)
    copies: Mapping[str, Path] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write all files into an existing folder.

        Raises:
            ConfigurationError: if a file cannot be written or copied.
        """
        try:
            for kind in ("every", self.kind):
                for template in (files(__package__) / "templates" / kind).iterdir():
                    path = folder / _path_of(template)
                    path.write_text(Template(template.read_text(encoding="utf-8")).substitute(self.values))
            for name, text in self.texts.items():
                (folder / name).write_text(text)
            for name, content in self.binaries.items():
                (folder / name).write_bytes(content)
            if (wheel := installed_wheel()) is not None:
                _copy(wheel, folder / WHEELS / wheel.name)
            for name, source in self.copies.items():
                _copy(source, folder / name)
        except OSError as error:
            raise ConfigurationError(f"cannot write {error.filename or folder}: {error.strerror}") from None


def verified_name(name: str) -> str:
    """Return a name that may be that of a service, a model and a tag of BentoML.

    Raises:
        ConfigurationError: if it may not.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"'{name[:80]}' cannot be the name of a service: use 1 to 63 lower-case letters, digits and -, "
            "and begin with a letter"
        )
    return name


def class_name(name: str) -> str:
    """Return the name of a service's class, such as `HeartRisk` for `heart-risk`."""
    joined = "".join(part.capitalize() for part in name.split("-"))
    return f"{joined}Service" if keyword.iskeyword(joined) else joined


def plain_contents(name: str) -> Contents:
    """Return the contents for a service in plain Python."""
    values = {"module": "service", "class_name": class_name(name), "action": "call", "route": "/count", "model": ""}
    example = {"text": "the quick fox and the lazy dog"}
    return Contents(
        kind="plain",
        values=common_values(name, values, routes=['path = "/count"\naction = "call"']),
        texts={EXAMPLE: json.dumps(example) + "\n"},
        body=json_body(),
    )


def common_values(name: str, values: Mapping[str, str], *, routes: list[str]) -> dict[str, str]:
    """Return the values of the variables that every template may use.

    Args:
        name: name of the service.
        values: `module`, `class_name`, `action`, `route` and `model` ("" without a model), and those of one kind.
        routes: text of each `[[routes]]` of the settings.
    """
    model = values["model"]
    return {
        "name": name,
        "models": _MODELS.substitute(model=model) if model else "",
        "routes": "".join(f"[[routes]]\n{route}\n\n" for route in routes),
        "actions": values["action"],
        "resource": "Model" if model else "Service",
        "target": f'Model::"{model}"' if model else f'Service::"{name}"',
        "case_model": f' "model": "{model}",' if model else "",
        "recipient": _RECIPIENT if model else "",
        "sealed": ", the sealed model and the key that verifies it" if model else "",
        "include": _INCLUDE if model else "",
        "requirements": requirements(installed_wheel(), runtime=bool(model)),
        "request": JSON_REQUEST,
        **values,
    }


def json_body() -> str:
    """Return the options of curl that send the example as JSON."""
    return f"-H 'Content-Type: application/json' -d @{EXAMPLE}"


_MODELS = Template("""
# `bento-governance dev` seals the folder models/$model whenever it has changed.
[models.$model]
artifact = "state/artifacts/$model.sealed"

[artifacts]
recipient_key = "file:state/keys/recipient.key"
trusted_signers = ["state/keys/signing.key.pub"]
""")
_RECIPIENT = "GOVERNANCE_ARTIFACTS__RECIPIENT_KEY=file:$PWD/state/keys/recipient.key"
_INCLUDE = '  - "state/artifacts/*.sealed"\n  - "state/keys/signing.key.pub"'


def _path_of(template: Traversable) -> str:
    name = template.name.removesuffix(SUFFIX)
    return _RENAMED.get(name, name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        shutil.copyfile(source, target)
