"""A service of plain Python, guarded, with the plugin in its chain."""

import bentoml

from governance import Governance

governance = Governance.from_file("governance.toml")


@governance.guard
@bentoml.service
class Hello:
    """Greets a person."""

    @bentoml.api
    def hello(self, name: str) -> dict[str, str]:
        """Return `{"greeting": "Hello Ada"}`."""
        return {"greeting": f"Hello {name}"}
