"""Heads of binary requests that were answered before: what they parse to, and the head of the reply.

A client sends the same JSON head with each request, and only other bytes behind it. A head is remembered only if it
consists of names, shapes and types that were compared with the model's: no id, no parameter with a text, no unknown
member. So nothing of a caller stays in memory, and equal heads have the same meaning for every caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import msgspec
import numpy as np

from governance.access.memo import Memo
from governance.contract.exchange import Reply
from governance.oip.messages import InferRequest, OutputTensor, count_members
from governance.oip.shapes import TensorLimits
from governance.oip.tensors import NUMPY_TYPE_OF, Array, binary_from_array

MAX_HEAD_BYTES, MAX_HEADS, MAX_REPLIES = 4096, 512, 64
# Types whose bytes are not the array's own.
CONVERTED = frozenset({"BOOL", "BYTES", "BF16"})
# Up to this size a copy costs less than a view.
_SMALL_BYTES = 16_384

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One head, for one model.

    Attributes:
        inputs: for each input its name, type, number of elements, place in the tail, and shape.
        outputs: the names of the outputs, in the order of the reply.
        tail_bytes: how many bytes follow the head.
        replies: header fields and head of the reply, by the shapes of the outputs.
    """

    inputs: tuple[tuple[str, np.dtype[np.generic], int, int, tuple[int, ...]], ...]
    outputs: tuple[str, ...]
    tail_bytes: int
    replies: dict[Shapes, Reply] = field(default_factory=dict)

    def arrays(self, body: bytes, start: int) -> dict[str, Array]:
        """Return the inputs over the bytes of a body, without a copy.

        Args:
            body: the whole body, whose length was compared with `tail_bytes`.
            start: the length of its head.
        """
        return {
            name: np.frombuffer(body, dtype, count, start + offset).reshape(shape)
            for name, dtype, count, offset, shape in self.inputs
        }

    def reply(self, outputs: Mapping[str, Array]) -> Reply | None:
        """Return the reply with these outputs, or None if none with such shapes was remembered."""
        known = self.replies.get(self._shapes(outputs))
        if known is None:
            return None
        return Reply(known.status, known.headers, (*known.body, *[_bytes_of(outputs[name]) for name in self.outputs]))

    def remember(self, reply: Reply, outputs: Mapping[str, Array]) -> None:
        """Remember header fields and head of a reply with these outputs."""
        if len(self.replies) < MAX_REPLIES:
            self.replies[self._shapes(outputs)] = Reply(reply.status, reply.headers, reply.body[:1])

    def _shapes(self, outputs: Mapping[str, Array]) -> Shapes:
        return tuple([outputs[name].shape for name in self.outputs])


class PreparedHeads:
    """The heads of one server; their number is bounded."""

    def __init__(self) -> None:
        self._memo: Memo[tuple[str, bytes], Prepared] = Memo(MAX_HEADS)

    def get(self, digest: str, body: bytes, head_bytes: int) -> Prepared | None:
        """Return what was remembered about a body's head, or None.

        Args:
            digest: the digest of the model.
            body: the whole body.
            head_bytes: the length of its head.
        """
        if not 0 < head_bytes <= MAX_HEAD_BYTES:
            return None
        known = self._memo.get((digest, body[:head_bytes]))
        return known if known is not None and len(body) - head_bytes == known.tail_bytes else None

    def put(self, digest: str, head: bytes, request: InferRequest, wanted: Sequence[OutputTensor]) -> Prepared | None:
        """Remember a head that was verified, if it may be; return what is remembered.

        Args:
            digest: the digest of the model.
            head: the head.
            request: what it parses to.
            wanted: the outputs of the reply.
        """
        if len(head) > MAX_HEAD_BYTES or not _may_stay(head, request, wanted):
            return None
        inputs, offset = [], 0
        for tensor in request.inputs:
            dtype, count = NUMPY_TYPE_OF[tensor.datatype], prod(tensor.shape)
            inputs.append((tensor.name, dtype, count, offset, tuple(tensor.shape)))
            offset += count * dtype.itemsize
        made = Prepared(tuple(inputs), tuple(output.name for output in wanted), offset)
        self._memo.put((digest, head), made)
        return made


def head_bytes_of(header_length: str | None, limits: TensorLimits) -> int:
    """Return the length of a head that may have been remembered, or 0.

    Args:
        header_length: the field `Inference-Header-Content-Length`, not yet verified.
        limits: what holds for the model's tensors; their numbers are not looked at here.
    """
    plain = header_length is not None and len(header_length) < 5 and header_length.isascii() and header_length.isdigit()
    return int(header_length) if header_length is not None and plain and limits.non_finite != "refuse" else 0


def _may_stay(head: bytes, request: InferRequest, wanted: Sequence[OutputTensor]) -> bool:
    """Return whether a head has nothing of a caller, and all its tensors and those of the reply are plain bytes."""
    binary = request.parameters == {"binary_data_output": True}
    return (
        not request.id
        and (binary or not request.parameters)
        and head.count(b":") == count_members(request)
        and all(
            tensor.data is msgspec.UNSET and tensor.parameters.keys() == {"binary_data_size"}
            for tensor in request.inputs
        )
        and not any(tensor.datatype in CONVERTED for tensor in request.inputs)
        and all(output.parameters == {"binary_data": True} or (binary and not output.parameters) for output in wanted)
    )


def _bytes_of(array: Array) -> bytes | memoryview:
    return array.tobytes() if array.nbytes <= _SMALL_BYTES else binary_from_array(array)
