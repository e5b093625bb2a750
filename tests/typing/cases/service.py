"""A governed service: `from_file`, `guard`, `open_model`, `requested_model`, `run`."""

# BentoML has no types for `api`.
# mypy: allow-untyped-decorators

from pathlib import Path
from typing import Any

import bentoml
import numpy as np

from governance import Governance, GovernedModel

governance = Governance.from_file("governance.toml")
reveal_type(governance)  # N: Revealed type is "governance.host.governance.Governance"
reveal_type(Governance.from_file(Path("governance.toml"), {"GOVERNANCE_SERVICE__NAME": "s"}))  # N: Revealed type is "governance.host.governance.Governance"


@governance.guard
@bentoml.service
class Decorated:
    """The documented use as a decorator."""

    def __init__(self) -> None:
        """Open the model in each worker."""
        self.model: GovernedModel = governance.open_model("digits-cnn")

    @bentoml.api
    def classify(self, image: np.ndarray[Any, Any]) -> dict[str, Any]:
        """Answer with the outputs of the model."""
        outputs = self.model.run({"image": image})
        reveal_type(outputs)  # N: Revealed type is "dict[str, numpy.ndarray[Any, Any]]"
        return {name: value.tolist() for name, value in outputs.items()}


@bentoml.service
class Called:
    """The documented use as a function."""


# The service keeps its type; that it is one is checked at start, since BentoML's `Service` has no types.
reveal_type(governance.guard(Called))  # N: Revealed type is "def () -> service.Called"
reveal_type(Decorated)  # N: Revealed type is "def () -> service.Decorated"

reveal_type(governance.open_model("m"))  # N: Revealed type is "governance.host.model.GovernedModel"
reveal_type(governance.requested_model())  # N: Revealed type is "governance.host.model.GovernedModel"
reveal_type(governance.open_model("m").classes)  # N: Revealed type is "tuple[str, ...]"
reveal_type(governance.save_model("m.sealed"))  # N: Revealed type is "str"

Governance.from_file()  # E: Missing positional argument "file" in call to "from_file" of "Governance"
Governance.from_file(b"governance.toml")  # E: Argument 1 to "from_file" of "Governance" has incompatible type "bytes"; expected "str | Path"
Governance.from_file("g.toml", {"GOVERNANCE_SERVICE__NAME": 1})  # E: Dict entry 0 has incompatible type "str": "int"; expected "str": "str"
governance.open_model()  # E: Missing positional argument "name" in call to "open_model" of "Governance"
governance.open_model("m", trust=False)  # E: Unexpected keyword argument "trust" for "open_model" of "Governance"
governance.open_model("m").run([1.0])  # E: Argument 1 to "run" of "GovernedModel" has incompatible type "list[float]"; expected "Mapping[str, ndarray[Any, Any]]"
governance.open_models("m")  # E: "Governance" has no attribute "open_models"; maybe "open_model"?
