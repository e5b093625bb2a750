"""The same service behind the gate."""

from service import Plain

from governance import Governance

Guarded = Governance.from_file("governance.toml").guard(Plain)
