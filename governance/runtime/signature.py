"""A model's inputs and outputs: datatypes, shapes, and which axis of which tensor is the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import onnx

from governance.artifacts.scan.trial import EmptyAxes
from governance.errors import ConfigurationError, ManifestMismatchError

DATATYPE_OF = MappingProxyType(
    {
        "tensor(bool)": "BOOL",
        "tensor(uint8)": "UINT8",
        "tensor(uint16)": "UINT16",
        "tensor(uint32)": "UINT32",
        "tensor(uint64)": "UINT64",
        "tensor(int8)": "INT8",
        "tensor(int16)": "INT16",
        "tensor(int32)": "INT32",
        "tensor(int64)": "INT64",
        "tensor(float16)": "FP16",
        "tensor(bfloat16)": "BF16",
        "tensor(float)": "FP32",
        "tensor(double)": "FP64",
        "tensor(string)": "BYTES",
    }
)
_OPTIONAL = "optional("
# What a model's author can do about a type that the protocol does not have.
_REMEDY_OF = MappingProxyType(
    {
        "seq(map": "export without ZipMap (skl2onnx: options={'zipmap': False}), or seal it with `artifact seal`, "
        "which removes ZipMap",
        "seq(": "add ConcatFromSequence or SequenceAt to the graph, so that it takes and returns tensors",
        "map(": "export without DictVectorizer or ZipMap, so that it takes and returns tensors",
        "sparse_tensor(": "make it dense in the graph",
        "tensor(": "add a Cast to a type of the Open Inference Protocol, for example FP16 or INT8",
    }
)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: Its name.
        datatype: The protocol's datatype, such as `FP32`.
        shape: Sizes of the axes, -1 for free ones; empty for a scalar, and where the graph does not say the rank.
        axes: For each axis the graph's name of its size, or "" for a fixed or unnamed one.
        is_batch: Whether the first axis is the batch.
        is_ranked: Whether the graph says the rank.
        is_optional: Whether the model may leave the value out.
        empty_axes: Free axes that may have size 0, for example those of an empty cache. ONNX Runtime ends the process
            at some operators over empty tensors, so an axis is here only if the model was tried with 0 in it.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...] = ()
    is_batch: bool = False
    is_ranked: bool = True
    is_optional: bool = False
    empty_axes: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Signature:
    """All inputs, with their batch axes, and all outputs of a model."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def signature_of(
    session: Any, graph: bytes, card: Mapping[str, Any], empty_axes: EmptyAxes = MappingProxyType({})
) -> Signature:
    """Return the inputs and outputs of a session.

    Args:
        session: An `InferenceSession`.
        graph: The ModelProto of which it was made.
        card: The model's card, which may name the batch.
        empty_axes: For each input the axes that may have size 0.

    Raises:
        ConfigurationError: if a value has no type of the protocol.
        ManifestMismatchError: if the card's batch does not fit.
    """
    values = session.get_inputs()
    unranked = _unranked(graph) if any(not value.shape for value in values) else frozenset()
    outputs = _specs(session.get_outputs())
    inputs = _with_batch(_specs(values, unranked), outputs, card)
    return Signature(tuple(replace(spec, empty_axes=_empty_axes(spec, empty_axes)) for spec in inputs), outputs)


def _empty_axes(spec: TensorSpec, tried: EmptyAxes) -> frozenset[int]:
    return frozenset(tried.get(spec.name, ())) - ({0} if spec.is_batch else set())


def _unranked(graph: bytes) -> frozenset[str]:
    """Return the names of the inputs whose rank the graph does not say."""
    types = [(value.name, _tensor_type(value.type)) for value in onnx.load_model_from_string(graph).graph.input]
    return frozenset(name for name, kind in types if not kind.HasField("shape"))


def _tensor_type(kind: Any) -> Any:
    return (kind.optional_type.elem_type if kind.HasField("optional_type") else kind).tensor_type


def _specs(values: Sequence[Any], unranked: frozenset[str] = frozenset()) -> tuple[TensorSpec, ...]:
    """Return the specifications of a session's inputs or outputs, without a batch.

    Args:
        values: `NodeArg`s of ONNX Runtime.
        unranked: Names of those whose rank the graph does not say; ONNX Runtime shows them like scalars.

    Raises:
        ConfigurationError: if a value has no type of the protocol; the message says what to do.
    """
    return tuple(
        TensorSpec(
            value.name,
            _datatype(value),
            tuple(size if isinstance(size, int) else -1 for size in value.shape),
            tuple(size if isinstance(size, str) else "" for size in value.shape),
            is_ranked=value.name not in unranked,
            is_optional=value.type.startswith(_OPTIONAL),
        )
        for value in values
    )


def _with_batch(
    inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], card: Mapping[str, Any]
) -> tuple[TensorSpec, ...]:
    """Return the inputs with their batch axes.

    The card decides by `"batch": true | false` of an input. For the others the names of the sizes do: the first axis is
    the batch if all inputs of two and more axes, except those of fixed shape, have a first axis of the same name, and
    another input or an output has it first too. A model with one input may leave both unnamed, as scikit-learn's
    exports do. An input with one axis is a batch only if an input with more axes shares its name.

    Example:
        `[b, n]` and `[b]` to `[b, 3]`: both first axes are the batch. `[q, 2]` and `[k, 2]` have none, and neither has
        `[samples]`.

    Raises:
        ManifestMismatchError: if the card's `batch` is not a boolean, or the first axis has a fixed size.
    """
    name = _batch_name(inputs, outputs)
    declared = {item.get("name"): item.get("batch") for item in card.get("inputs") or () if isinstance(item, Mapping)}
    return tuple(replace(spec, is_batch=_is_batch(spec, name, declared.get(spec.name))) for spec in inputs)


def verify_card(card: Mapping[str, Any], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Compare the inputs and outputs in a card with those of the graph.

    Raises:
        ManifestMismatchError: if they differ.
    """
    for side, specs in (("inputs", inputs), ("outputs", outputs)):
        graph, listed = card_entries(specs), card.get(side)
        if not isinstance(listed, list) or [_declared(item) for item in listed] != graph:
            raise ManifestMismatchError(f"card.json declares the {side} {listed}, but the graph has {graph}")


def card_entries(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    """Return the entries of a card that describe these inputs or outputs."""
    return [{"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)} for spec in specs]


def _declared(item: Any) -> Any:
    return {key: item.get(key) for key in ("name", "datatype", "shape")} if isinstance(item, Mapping) else item


def _datatype(value: Any) -> str:
    kind = value.type[len(_OPTIONAL) : -1] if value.type.startswith(_OPTIONAL) else value.type
    if kind in DATATYPE_OF:
        return DATATYPE_OF[kind]
    remedy = next((text for start, text in _REMEDY_OF.items() if kind.startswith(start)), "")
    raise ConfigurationError(
        f"'{value.name}' has the type {value.type}, which the Open Inference Protocol does not have: {remedy}"
    )


def _is_batch(spec: TensorSpec, name: str | None, declared: Any) -> bool:
    if declared is None:
        return name is not None and spec.shape[:1] == (-1,) and spec.axes[0] == name
    if not isinstance(declared, bool):
        raise ManifestMismatchError(f"card.json: 'batch' of the input '{spec.name}' must be true or false")
    if declared and spec.shape[:1] != (-1,):
        raise ManifestMismatchError(f"card.json: the first axis of '{spec.name}' has a fixed size, so it is no batch")
    return declared


def _batch_name(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> str | None:
    """Return the name of the batch's size ("" if it has none), or None if the names show no batch."""
    wide = [spec for spec in inputs if len(spec.shape) > 1 and -1 in spec.shape]
    names = {spec.axes[0] if spec.shape[0] == -1 else None for spec in wide}
    if len(names) != 1:
        return None
    (name,) = names
    if name is None:
        return None
    firsts = [spec.axes[0] if spec.shape[0] == -1 else None for spec in outputs if spec.shape]
    if name == "":
        return name if len(inputs) == 1 and firsts and all(first == "" for first in firsts) else None
    others = [spec for spec in inputs if spec.shape[:1] == (-1,) and spec.axes[0] == name]
    return name if len(others) > 1 or name in firsts else None
