"""`GovernedModel`: an opened model, as the code of a service uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.access.stop import KillSwitch
from governance.contract.exchange import Exchange
from governance.contract.facts import Inference, Usage
from governance.contract.outputs import permitted_outputs
from governance.errors import ForbiddenError, GovernanceError
from governance.runtime.model import Model
from governance.runtime.signature import TensorSpec

# The request that this task answers, if any.
current_exchange: ContextVar[Exchange | None] = ContextVar("governance_exchange", default=None)


@dataclass(frozen=True, slots=True)
class ModelFailure:
    """The error of a model that the service's code called; BentoML itself would answer a bare 500."""

    error: GovernanceError


class GovernedModel:
    """An opened model, as a service's own code uses it; `Governance.open_model` returns it.

    Within a request it runs only if the policy decided on this model, or on the service as a whole. Its usage goes into
    the audit log and the metrics.

    Args:
        name: the model's name.
        opened: returns the runtime's model of a name, once the worker has opened it.
    """

    def __init__(self, name: str, opened: Callable[[str], Model]) -> None:
        self.name, self._opened = name, opened

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Input tensors: name, datatype (OIP), shape with -1 for free sizes, whether there is a batch."""
        return self._model.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Output tensors: name, datatype (OIP), shape with -1 for free sizes."""
        return self._model.outputs

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names in the order of the output's last axis, as the model's card says."""
        return self._model.classes

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model on one batch.

        Args:
            inputs: a tensor for each input's name, shapes and types as `inputs` says.

        Raises:
            ForbiddenError: if the current request was permitted for another model.
            BadRequestError: if a tensor has the wrong shape or type.
            NotReadyError: if the model could not be opened on the device it must have.
        """
        exchange = current_exchange.get()
        if exchange is not None and exchange.model not in (None, self.name):
            raise ForbiddenError(f"this call was permitted for another model than '{self.name}'")
        stops = exchange.get(KillSwitch) if exchange is not None else None
        if stops is not None:
            stops.verify(self.name)
        model = self._model
        try:
            outputs, seconds = model.run(inputs)
        except GovernanceError as error:
            if exchange is not None and exchange.get(ModelFailure) is None:
                exchange.put(ModelFailure(error))
            raise
        if exchange is None:
            return outputs
        if exchange.get(Usage) is None:
            exchange.put(Usage(model.name, model.version, model.digest, model.items(inputs), seconds))
            exchange.put(Inference(model.name, inputs, outputs))
        return dict(permitted_outputs(exchange, outputs, len(model.classes)))

    @property
    def _model(self) -> Model:
        return self._opened(self.name)
