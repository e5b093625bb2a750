"""`bento-governance policy`: one file for each command (`check`, `test`, `explain`, `replay`); they share `case`."""

from __future__ import annotations

import click

from governance.cli.help import Group
from governance.cli.policy.check import check
from governance.cli.policy.explain import explain
from governance.cli.policy.replay import replay
from governance.cli.policy.test import test


@click.group(cls=Group)
def command() -> None:
    """Check, test, explain and replay Cedar policies.

    \b
    Examples:
      bento-governance policy check --strict
      bento-governance policy test policy_cases.json
    """


for _each in (check, test, explain, replay):
    command.add_command(_each)
