"""`bento-governance artifact` and `bom`: one file for each command, or for two that belong together.

Read `options` (shared options, turned into the library's values) and `output` (printed facts, progress) first; then
`seal`, `verify`, `open`, `inspect`, `amend` (rewrap, approve), `scan`, `fetch` and `bom`. A command holds only its
options, progress and printing; the work is done by `governance.artifacts`.
"""

from __future__ import annotations

import click

from governance.cli.artifact.amend import approve, rewrap
from governance.cli.artifact.fetch import fetch
from governance.cli.artifact.inspect import inspect
from governance.cli.artifact.open import open_
from governance.cli.artifact.scan import scan
from governance.cli.artifact.seal import seal
from governance.cli.artifact.verify import verify
from governance.cli.help import Group


@click.group(cls=Group)
def command() -> None:
    """Seal, verify, open and change sealed model artifacts.

    A sealed artifact is one file: the files of a model, signed (OpenSSF Model Signing) and encrypted (C2SP chunked
    encryption), with the data key encrypted for each recipient (HPKE, or a key service).

    \b
    Examples:
      bento-governance artifact seal export digits.sealed --name digits \\
        --version 1 --sign-with file:signing.key --recipient recipient.key.pub
      bento-governance artifact verify digits.sealed --trust signing.key.pub
    """


for _each in (seal, verify, fetch, open_, inspect, rewrap, approve, scan):
    command.add_command(_each)
