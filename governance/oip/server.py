"""The protocol's server: answers requests on its routes with the opened models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
import numpy as np

from governance.access.stop import KillSwitch
from governance.contract.exchange import Exchange, Reply
from governance.contract.facts import Inference, Usage
from governance.contract.outputs import permitted_outputs
from governance.errors import BadRequestError, NotFoundError, NotReadyError
from governance.oip.classification import classified
from governance.oip.explain import fault_of_names
from governance.oip.messages import InferRequest, InputTensor, OutputTensor, parse_infer_request
from governance.oip.prepared import CONVERTED, PreparedHeads, head_bytes_of
from governance.oip.routes import LIVE, READY, SERVER
from governance.oip.shapes import Spec, TensorLimits, verify_shape
from governance.oip.tensors import (
    Array,
    array_from_binary,
    array_from_json,
    binary_from_array,
    json_from_array,
)

JSON_FIELD = (b"content-type", b"application/json")
HEAD_LENGTH = b"inference-header-content-length"
BINARY_FIELD = (b"content-type", b"application/octet-stream")
EXTENSIONS = ["binary_tensor_data", "classification"]

_encode = msgspec.json.Encoder().encode


class ServableModel(Protocol):
    """A model as the protocol needs it."""

    name: str
    version: str
    digest: str
    platform: str
    classes: tuple[str, ...]
    ready: bool

    @property
    def inputs(self) -> tuple[Spec, ...]:
        """Input tensors."""

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """Output tensors."""

    def items(self, inputs: Mapping[str, Array]) -> int:
        """Return how many items the inputs hold."""

    async def infer(self, inputs: Mapping[str, Array], items: int) -> tuple[dict[str, Array], float]:
        """Run one batch of `items`, and return the outputs by name and the seconds inside the runtime."""


class OipServer:
    """Open Inference Protocol v2 over the models of this process.

    Args:
        models: by name; may be filled after this is made.
        limits: of the tensors of one request, by model.
        is_ending: whether this worker is about to end, and so not ready.
    """

    def __init__(
        self,
        service_name: str,
        service_version: str,
        models: Mapping[str, ServableModel],
        limits: Mapping[str, TensorLimits],
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._metadata = {"name": service_name, "version": service_version, "extensions": EXTENSIONS}
        self._models = models
        self._limits, self._is_ending = limits, is_ending
        self._heads = PreparedHeads()

    async def answer(self, exchange: Exchange) -> Reply:
        """Answer one request.

        Raises:
            NotFoundError: no such model or version.
            BadRequestError: a wrong form, shape, type or length, with the expected and the received.
            NotReadyError: the model cannot answer.
        """
        template = exchange.route.template
        if template.endswith("/infer"):
            return await self._infer(exchange, self._model(exchange))
        if template == LIVE:
            return _json({"live": True})
        if template == READY:
            if not self._models or not all(self._is_ready(model, exchange) for model in self._models.values()):
                raise NotReadyError("not every model is ready")
            return _json({"ready": True})
        if template.rstrip("/") == SERVER:
            return _json(self._metadata)
        model = self._model(exchange)
        if template.endswith("/ready"):
            if not self._is_ready(model, exchange):
                raise NotReadyError(f"the model '{model.name}' is not ready")
            return _json({"name": model.name, "ready": True})
        return _json(_model_metadata(model))

    def _is_ready(self, model: ServableModel, exchange: Exchange) -> bool:
        stops = exchange.get(KillSwitch)
        return model.ready and not self._is_ending() and (stops is None or not stops.stops(model.name))

    def _model(self, exchange: Exchange) -> ServableModel:
        model = self._models.get(exchange.model or "")
        if model is None or exchange.version not in (None, model.version):
            raise NotFoundError("no such model or version")
        return model

    async def _infer(self, exchange: Exchange, model: ServableModel) -> Reply:
        if not model.ready:
            raise NotReadyError(f"the model '{model.name}' is not ready")
        body = await exchange.read_body()
        header_length, limits = exchange.single_header(HEAD_LENGTH), self._limits[model.name]
        head_bytes = head_bytes_of(header_length, limits)
        prepared = self._heads.get(model.digest, body, head_bytes)
        if prepared is not None:
            permitted = await _run(exchange, model, prepared.arrays(body, head_bytes))
            reply = prepared.reply(permitted)
            if reply is not None:
                return reply
        request, tail = parse_infer_request(body, header_length)
        wanted = _wanted_outputs(request, model)
        if prepared is None:
            permitted = await _run(exchange, model, _inputs(request, tail, model, limits))
            if head_bytes and all(spec.datatype not in CONVERTED for spec in model.outputs):
                prepared = self._heads.put(model.digest, body[:head_bytes], request, wanted)
        reply = _render(request, model, wanted, permitted, limits)
        if prepared is not None:
            prepared.remember(reply, permitted)
        return reply


async def _run(exchange: Exchange, model: ServableModel, inputs: dict[str, Array]) -> Mapping[str, Array]:
    """Run the model, put what it used, and return the outputs in the detail that the policy permits."""
    items = model.items(inputs)
    outputs, seconds = await model.infer(inputs, items)
    exchange.put(Usage(model.name, model.version, model.digest, items, seconds))
    exchange.put(Inference(model.name, inputs, outputs))
    return permitted_outputs(exchange, outputs, len(model.classes))


def _inputs(request: InferRequest, tail: memoryview, model: ServableModel, limits: TensorLimits) -> dict[str, Array]:
    specs = {spec.name: spec for spec in model.inputs}
    names = [tensor.name for tensor in request.inputs]
    if sorted(names) != sorted(specs):
        missing = ", ".join(f"'{name}'" for name in sorted(specs.keys() - set(names)))
        raise BadRequestError(fault_of_names("input", names, specs) or f"these inputs are missing: {missing}")
    arrays, offset = {}, 0
    for number, tensor in enumerate(request.inputs):
        spec = specs[tensor.name]
        verify_shape(tensor, spec, limits)
        size = _binary_size(tensor)
        if size is None:
            arrays[tensor.name] = array_from_json(tensor, number)
            continue
        if tensor.data is not msgspec.UNSET:
            raise BadRequestError(f"input '{tensor.name}' has both data and a binary_data_size")
        if offset + size > len(tail):
            raise BadRequestError(
                f"input '{tensor.name}': binary_data_size is {size}, and {len(tail) - offset} bytes are left"
            )
        arrays[tensor.name] = array_from_binary(tensor, tail[offset : offset + size])
        offset += size
    if offset != len(tail):
        raise BadRequestError(f"the body has {len(tail) - offset} bytes that no input claims")
    _verify_one_batch(arrays, specs)
    if limits.non_finite == "refuse":
        _verify_finite("input", arrays)
    return arrays


def _verify_one_batch(arrays: Mapping[str, Array], specs: Mapping[str, Spec]) -> None:
    batches = {array.shape[0] for name, array in arrays.items() if specs[name].is_batch}
    if len(batches) > 1:
        raise BadRequestError(f"the inputs have different batch sizes: {sorted(batches)}")


def _verify_finite(side: str, arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BadRequestError(f"the {side} '{name}' has a value that is not finite, which this service refuses")


def _binary_size(tensor: InputTensor) -> int | None:
    if not tensor.parameters:
        return None
    if any(name.startswith("shared_memory") for name in tensor.parameters):
        raise BadRequestError(f"input '{tensor.name}': shared memory is not offered")
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BadRequestError(f"input '{tensor.name}': binary_data_size is not a number of bytes")
    return size


def _wanted_outputs(request: InferRequest, model: ServableModel) -> list[OutputTensor]:
    known = [spec.name for spec in model.outputs]
    wanted = request.outputs or [OutputTensor(name) for name in known]
    names = [output.name for output in wanted]
    if len(set(names)) != len(names) or not set(names) <= set(known):
        raise BadRequestError(fault_of_names("output", names, known))
    for output in wanted:
        if any(name.startswith("shared_memory") for name in output.parameters):
            raise BadRequestError(f"output '{output.name}': shared memory is not offered")
        count = output.parameters.get("classification", 0)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise BadRequestError(f"output '{output.name}': classification is not a number of classes")
    return wanted


def _render(
    request: InferRequest,
    model: ServableModel,
    wanted: list[OutputTensor],
    outputs: Mapping[str, Array],
    limits: TensorLimits,
) -> Reply:
    if limits.non_finite == "refuse":
        _verify_finite("output", outputs)
    binary_by_default = request.parameters.get("binary_data_output") is True
    listed: list[dict[str, Any]] = []
    pieces: list[bytes | memoryview] = []
    for output in wanted:
        array = outputs[output.name]
        classes = output.parameters.get("classification", 0)
        if classes:
            array = classified(array, classes, model.classes)
        entry: dict[str, Any] = {
            "name": output.name,
            "datatype": _datatype(array, output.name, model, bool(classes)),
            "shape": list(array.shape),
        }
        if output.parameters.get("binary_data", binary_by_default) is True:
            raw = binary_from_array(array, entry["datatype"])
            entry["parameters"] = {"binary_data_size": len(raw)}
            pieces.append(raw)
        else:
            # msgspec writes null for NaN and infinities.
            entry["data"] = array.ravel().tolist() if _is_replaced(array, limits) else json_from_array(array)
        listed.append(entry)
    document: dict[str, Any] = {"model_name": model.name, "model_version": model.version, "outputs": listed}
    if request.id:
        document["id"] = request.id
    head = _encode(document)
    if not pieces:
        return Reply(200, (JSON_FIELD,), (head,))
    length = (HEAD_LENGTH, str(len(head)).encode())
    return Reply(200, (BINARY_FIELD, length), (head, *pieces))


def _is_replaced(array: Array, limits: TensorLimits) -> bool:
    return limits.non_finite == "replace" and array.dtype.kind == "f"


def _datatype(array: Array, name: str, model: ServableModel, classified: bool) -> str:
    return "BYTES" if classified else next(spec.datatype for spec in model.outputs if spec.name == name)


def _model_metadata(model: ServableModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": model.platform,
        "inputs": [_spec(spec) for spec in model.inputs],
        "outputs": [_spec(spec) for spec in model.outputs],
    }


def _spec(spec: Spec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _json(document: Mapping[str, Any]) -> Reply:
    return Reply(200, (JSON_FIELD,), (_encode(document),))
