"""Options and types that commands of several groups share."""

from __future__ import annotations

from pathlib import Path

import click

from governance.settings import SETTINGS_VARIABLE

PATH = click.Path(path_type=Path)

settings_option = click.option(
    "--settings",
    type=PATH,
    default=Path("governance.toml"),
    show_default=True,
    envvar=SETTINGS_VARIABLE,
    show_envvar=True,
    help="Settings file of the service.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
