"""A model opened in ONNX Runtime from memory: its tensors, its device, and `run`."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from governance.artifacts.scan.trial import EmptyAxes
from governance.errors import BadRequestError, ManifestMismatchError, NotReadyError
from governance.runtime.batching import INLINE_SECONDS, SMOOTHING, Batcher
from governance.runtime.bfloat16 import run_with_bfloat16
from governance.runtime.binding import BoundRuns, device_memory
from governance.runtime.device import BOUND, Placement
from governance.runtime.rows import verify_rows
from governance.runtime.session import Plan, Weights, import_runtime, place
from governance.runtime.signature import Signature, signature_of, verify_card
from governance.runtime.warmup import example_inputs, guessed
from governance.settings import RuntimeSettings

# Errors of a run that the tensors cause; a failed device (`EPFail`, `EngineError`) is not the caller's fault.
REFUSALS = frozenset({"Fail", "InvalidArgument", "NotImplemented", "RuntimeException", "TypeError", "ValueError"})
_DEVICE = re.compile(r"cuda|cublas|cudnn|cufft|out of memory", re.IGNORECASE)

logger = logging.getLogger("governance.models")

Tensors = Mapping[str, np.ndarray[Any, Any]]


class Model:
    """One model in one process; `run` may be called from any thread.

    Attributes:
        digest: the signed manifest's digest, by which the audit log names the model.
        classes: the classes' names in the order of the output's last axis, from the model's card.
        card: the signed card itself.
        ready: False if the model is not on the device it must have; `reason` says why.
        degraded: True if it answers from another device than asked for.
        device: where the nodes were proved to run.
        inputs: the input tensors, with their batch axes.
        outputs: the output tensors.
    """

    platform = "onnxruntime_onnx"

    def __init__(
        self,
        *,
        name: str,
        version: int,
        digest: str,
        classes: tuple[str, ...],
        card: Mapping[str, Any],
        placement: Placement,
        session: Any,
        signature: Signature,
        weights: Weights,
        bound: BoundRuns | None = None,
    ) -> None:
        self.name, self.version, self.digest, self.classes = name, str(version), digest, classes
        self.card = card
        self.device, self.ready = placement.device, placement.ready
        self.degraded, self.reason = placement.degraded, placement.reason
        # ONNX Runtime keeps no reference to weights that it uses without a copy: they must outlive the session.
        self._weights = weights
        self._session, self._bound = session, bound
        self.inputs, self.outputs = signature.inputs, signature.outputs
        self._output_names = [output.name for output in self.outputs]
        self._batched = [spec.name for spec in self.inputs if spec.is_batch]
        self._has_bfloat16 = any(spec.datatype == "BF16" for spec in (*self.inputs, *self.outputs))
        self._has_optional = any(spec.is_optional for spec in self.outputs)
        self._seconds_per_item = INLINE_SECONDS
        self._batcher: Batcher | None = None

    def batch_requests(self) -> None:
        """Let requests that wait at the same time share a batch, from now on.

        Raises:
            ConfigurationError: if the model has no batch, or a trial shows that its rows influence each other.
        """
        verify_rows(self.run, self.inputs, self.outputs, self.card)
        self._batcher = Batcher(self.run)

    def items(self, inputs: Tensors) -> int:
        """Return how many items the inputs hold: the size of their batch, or 1 if the model has none."""
        return inputs[self._batched[0]].shape[0] if self._batched else 1

    def run(self, inputs: Tensors) -> tuple[dict[str, np.ndarray[Any, Any]], float]:
        """Run one batch, and return the outputs by name and the seconds inside the runtime.

        Args:
            inputs: a tensor for each input, of the shape and type that `inputs` says; float32 for BF16.

        Raises:
            BadRequestError: if ONNX Runtime refuses the tensors, or the model leaves an optional output out.
            NotReadyError: if the model is not ready.
        """
        # The reference is held until the run ends, even if the model is closed meanwhile.
        session, _weights = self._session, self._weights
        if session is None or not self.ready:
            raise NotReadyError(f"the model '{self.name}' is not ready")
        started = time.perf_counter()
        try:
            if self._has_bfloat16:
                values = run_with_bfloat16(session, inputs, self.inputs, self._output_names)
            elif self._bound is not None:
                values = self._bound.run(inputs)
            else:
                values = session.run(self._output_names, inputs)
        except Exception as error:
            raise _refusal(error, self.name) from None
        if self._has_optional and any(value is None for value in values):
            raise BadRequestError(f"the model '{self.name}' returns no value for an optional output")
        return dict(zip(self._output_names, values, strict=True)), time.perf_counter() - started

    async def infer(self, inputs: Tensors, items: int) -> tuple[dict[str, np.ndarray[Any, Any]], float]:
        """Run one batch of `items` without blocking the event loop: directly if it is short, else in a thread.

        What "short" means is learnt from the batches before: a thread costs about as much as a small model. The work of
        a model without a batch grows with the elements of its inputs.
        """
        if self._batcher is not None:
            return await self._batcher.infer(inputs, items)
        amount = items if self._batched else max(sum(array.size for array in inputs.values()), 1)
        if self._seconds_per_item * amount <= INLINE_SECONDS:
            result = self.run(inputs)
        else:
            result = await asyncio.to_thread(self.run, inputs)
        self._seconds_per_item += SMOOTHING * (result[1] / max(amount, 1) - self._seconds_per_item)
        return result

    def close(self) -> None:
        """Release the session, and then its weights; later calls are refused."""
        self._session, self._bound = None, None
        self._weights = {}


def open_model(
    name: str,
    version: int,
    digest: str,
    graph: memoryview | bytes,
    card: Mapping[str, Any],
    settings: RuntimeSettings,
    weights: Weights = MappingProxyType({}),
    empty_axes: EmptyAxes = MappingProxyType({}),
) -> Model:
    """Open an ONNX model from memory on the device that the settings ask for.

    Args:
        name: the model's name, as signed.
        version: the model's version, as signed.
        digest: SHA-256 of the signed manifest.
        graph: a serialized ModelProto; ONNX Runtime keeps its own copy.
        card: the model's card; its inputs, outputs and classes must be the graph's.
        settings: providers, threads and memory.
        weights: the files of external data that the graph names; they are used without a copy and must not change.
        empty_axes: for each input the axes that may have size 0; a batch never may.

    Raises:
        ConfigurationError: if ONNX Runtime is not installed or cannot load the model.
        ManifestMismatchError: if card and graph disagree.
    """
    content = bytes(graph)
    placement, session = place(Plan(content, weights, settings, card), name)
    signature = signature_of(session, content, card, empty_axes) if session is not None else Signature((), ())
    model = Model(
        name=name,
        version=version,
        digest=digest,
        classes=_classes(card),
        card=card,
        placement=placement,
        session=session,
        signature=signature,
        weights=weights,
        bound=_bound(session, placement.device, signature, settings),
    )
    if session is not None:
        verify_card(card, model.inputs, model.outputs)
        if placement.ready:
            _warm_up(model)
    return model


def _bound(session: Any, device: str, signature: Signature, settings: RuntimeSettings) -> BoundRuns | None:
    if session is None or device not in BOUND:
        return None
    runtime = import_runtime()
    memory = device_memory(runtime, device, settings.device_id)
    names = [output.name for output in signature.outputs]
    return BoundRuns(runtime, session, names, memory, graphs=settings.cuda_graphs)


def _warm_up(model: Model) -> None:
    """Run a model once; zeros that it refuses are a warning, since callers may send tensors that it takes."""
    try:
        model.run(example_inputs(model.inputs, model.card))
    except BadRequestError:
        logger.warning("model '%s' could not be tried at the start: %s", model.name, _remedy(model))


def _remedy(model: Model) -> str:
    unknown = guessed(model.inputs, model.card)
    if not unknown:
        return "it refuses zeros of its shapes"
    names = ", ".join(map(repr, unknown))
    return (
        f"it refuses zeros with 1 for the free sizes of {names}; give sizes that it takes in card.json, "
        f'for example {{"name": "{unknown[0]}", "example_shape": [1, 3, 224, 224]}}'
    )


def _classes(card: Mapping[str, Any]) -> tuple[str, ...]:
    classes = card.get("classes", [])
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ManifestMismatchError("card.json: 'classes' must be a list of names")
    return tuple(classes)


def _refusal(error: Exception, name: str) -> Exception:
    """Return an error without ONNX Runtime's own text, which may quote the input."""
    refused = type(error).__name__ in REFUSALS or isinstance(error, ValueError)
    # With bound tensors ONNX Runtime raises one class for all.
    if refused or (type(error) is RuntimeError and not _DEVICE.search(str(error))):
        return BadRequestError(f"the model '{name}' refuses these tensors: see its metadata for shapes and types")
    return error
