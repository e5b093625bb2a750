"""The protocol's messages, parsed into typed values: Open Inference Protocol v2 with Triton's extensions.

Sources: https://github.com/kserve/open-inference-protocol (rest_predict_v2.yaml); Triton's binary tensor data and
classification extensions (triton-inference-server/server, docs/protocol).
"""

from __future__ import annotations

from typing import Any

import msgspec

from governance.errors import BadRequestError
from governance.oip.elements import quoted_words
from governance.oip.explain import fault_of_body, repeated_member

MAX_TENSORS = 256
MAX_RANK = 32
MAX_ID_CHARACTERS = 256


class InputTensor(msgspec.Struct, frozen=True):
    """One input tensor; its values are in `data`, or in the binary tail (`parameters.binary_data_size`)."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class OutputTensor(msgspec.Struct, frozen=True):
    """One requested output; `parameters` may contain `binary_data` or `classification`."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct, frozen=True):
    """One inference request."""

    inputs: list[InputTensor]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[OutputTensor] = []


_decoder = msgspec.json.Decoder(InferRequest)


def parse_infer_request(body: bytes, header_length: str | None) -> tuple[InferRequest, memoryview]:
    """Return the request, and the binary tail that contains the values of its tensors, if any.

    Args:
        body: JSON, or JSON and the tail behind it.
        header_length: the field `Inference-Header-Content-Length`, if the request has one.

    Raises:
        BadRequestError: if the body is not such a request.
    """
    head, tail = _split(body, header_length)
    try:
        request = _decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = fault_of_body(bytes(head)) or str(error)[:200]
        raise BadRequestError(f"the body is not an inference request: {reason}") from None
    _verify_members_once(head, request)
    if len(request.id) > MAX_ID_CHARACTERS:
        raise BadRequestError(f"the id is longer than {MAX_ID_CHARACTERS} characters")
    if len(request.inputs) > MAX_TENSORS or len(request.outputs) > MAX_TENSORS:
        raise BadRequestError(
            f"a request has at most {MAX_TENSORS} inputs and {MAX_TENSORS} outputs; "
            f"this one has {len(request.inputs)} inputs and {len(request.outputs)} outputs"
        )
    for name in request.parameters:
        if name.startswith("sequence_"):
            raise BadRequestError(f"the parameter '{name[:40]}' asks for a stateful model, and none is served here")
    return request, tail


def _decode(head: memoryview) -> InferRequest:
    try:
        return _decoder.decode(head)
    except msgspec.DecodeError:
        # NaN and Infinity are no JSON; a body with them takes this longer way.
        content = bytes(head)
        if b"NaN" not in content and b"Infinity" not in content:
            raise
        return _decoder.decode(quoted_words(content))


def _verify_members_once(head: memoryview, request: InferRequest) -> None:
    """Refuse a request in which an object has a member twice: two readers could take different ones.

    Each member has one colon, and texts may have more. If there are as many as the request has members, none was
    overwritten. Otherwise all names are read, without the values of the tensors.
    """
    content = bytes(head)
    if content.count(b":") == count_members(request):
        return
    for tensor in request.inputs:
        if tensor.data is not msgspec.UNSET:
            content = content.replace(bytes(tensor.data), b"0", 1)
    repeated = repeated_member(content)
    if repeated:
        raise BadRequestError(f"the body is not an inference request: it has the member '{repeated}' twice")


def count_members(request: InferRequest) -> int:
    """Return how many members the objects of a request have, if none has its default value."""
    count = 1 + bool(request.id) + bool(request.outputs) + _members_of(request.parameters)
    for tensor in request.inputs:
        count += 3 + (tensor.data is not msgspec.UNSET) + _members_of(tensor.parameters)
    return count + sum(1 + _members_of(output.parameters) for output in request.outputs)


def _members_of(parameters: dict[str, Any]) -> int:
    return 1 + len(parameters) if parameters else 0


def _split(body: bytes, header_length: str | None) -> tuple[memoryview, memoryview]:
    view = memoryview(body)
    if header_length is None:
        return view, view[:0]
    if not (header_length.isascii() and header_length.isdigit() and len(header_length) < 12):
        raise BadRequestError("Inference-Header-Content-Length is not a number of bytes")
    length = int(header_length)
    if length > len(body):
        raise BadRequestError(f"Inference-Header-Content-Length is {length}, and the whole body has {len(body)} bytes")
    return view[:length], view[length:]
