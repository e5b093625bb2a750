"""Shapes of a request's tensors, compared with the model's and with the limits before memory is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol

from governance.errors import BadRequestError
from governance.oip.messages import MAX_RANK, InputTensor

NonFinite = Literal["pass", "refuse", "replace"]


class Spec(Protocol):
    """One input or output of a model: the protocol's datatype, and a shape with -1 for free axes."""

    @property
    def name(self) -> str:
        """The tensor's name."""

    @property
    def datatype(self) -> str:
        """The protocol's datatype, such as `FP32`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes, -1 for free ones."""

    @property
    def is_batch(self) -> bool:
        """Whether the first axis is the batch."""

    @property
    def is_ranked(self) -> bool:
        """Whether the model says how many axes there are."""

    @property
    def empty_axes(self) -> frozenset[int]:
        """The free axes that may have size 0."""


@dataclass(frozen=True, slots=True)
class TensorLimits:
    """How large the tensors of an inference request may be, and what happens to numbers that are not finite.

    Attributes:
        max_batch: Most items, for models that have a batch.
        max_elements: Most elements of one tensor; axes of size 0 count as 1.
        non_finite: `pass`, `refuse`, or `replace` by null in JSON answers: what happens to NaN and infinities.
    """

    max_batch: int = 1024
    max_elements: int = 2**24
    non_finite: NonFinite = "pass"


def verify_shape(tensor: InputTensor, spec: Spec, limits: TensorLimits) -> None:
    """Refuse a tensor whose type or shape is not the model's.

    Raises:
        BadRequestError: with the expected and the received value.
    """
    received = tensor.shape
    if tensor.datatype != spec.datatype:
        raise BadRequestError(
            f"input '{tensor.name}': expected datatype {spec.datatype}, received {tensor.datatype[:16]}"
        )
    if not _fits(received, spec.shape if spec.is_ranked else (-1,) * len(received), spec.empty_axes):
        hint = "; the model was not tried with a size of 0 there" if 0 in received else ""
        shown = str(received[:MAX_RANK])[:120]
        raise BadRequestError(f"input '{tensor.name}': expected shape {list(spec.shape)}, received {shown}{hint}")
    if spec.is_batch and received[0] > limits.max_batch:
        raise BadRequestError(
            f"input '{tensor.name}': a batch of {received[0]} is over the limit of {limits.max_batch} items"
        )
    # Axes of size 0 count as 1: no product of sizes may overflow in the runtime.
    if prod(received) > limits.max_elements or (0 in received and prod(filter(None, received)) > limits.max_elements):
        raise BadRequestError(
            f"input '{tensor.name}': the shape {received} is over the limit of {limits.max_elements} elements"
        )


def _fits(received: list[int], shape: tuple[int, ...], empty_axes: frozenset[int]) -> bool:
    if len(received) != len(shape) or len(shape) > MAX_RANK:
        return False
    for axis, (size, wanted) in enumerate(zip(received, shape, strict=True)):
        fits_free = 0 < size < 2**40 or (size == 0 and axis in empty_axes)
        if size != wanted and not (wanted == -1 and fits_free):
            return False
    # A -1 of the request equals the -1 of the model.
    return not received or min(received) >= 0
