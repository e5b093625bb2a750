"""`bento-governance privacy`: scan, change and measure files with personal data, and reveal tokens.

Order of reading: `options` (what the commands share), `scan`, `risk`, `anonymize`, `reveal`. The commands parse
options, show progress and print; the work is done by `governance.privacy.datasets`, which programs can call.
"""

from __future__ import annotations

import click

from governance.cli.help import Group
from governance.cli.privacy.anonymize import anonymize
from governance.cli.privacy.reveal import reveal
from governance.cli.privacy.risk import risk
from governance.cli.privacy.scan import scan


@click.group(cls=Group)
def command() -> None:
    """Find and change personal data in files, and measure re-identification risk.

    \b
    Examples:
      bento-governance privacy scan patients.csv
      bento-governance privacy anonymize patients.csv clean.csv
    """


for _each in (scan, anonymize, risk, reveal):
    command.add_command(_each)
