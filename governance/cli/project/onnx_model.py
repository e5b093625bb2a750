"""An ONNX model of somebody's own: its files, its card (inputs, outputs and classes from the graph), its service."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from governance.artifacts.format.sources import CARD_FILE, GRAPH_FILE, read_folder
from governance.artifacts.format.zipmap import without_zipmap
from governance.artifacts.scan.limits import DEFAULT_SCAN_LIMITS
from governance.artifacts.scan.scan import admit, scanned_sources
from governance.cli.artifact.check import completed
from governance.cli.project.contents import EXAMPLE, Contents, class_name, common_values, json_body
from governance.errors import ConfigurationError
from governance.runtime.session import Plan, place
from governance.runtime.signature import Signature, TensorSpec, signature_of
from governance.runtime.warmup import example_inputs, numpy_type
from governance.settings import RuntimeSettings

MAX_BODY_BYTES = 4 * 2**20
# Attributes of the classifiers of ai.onnx.ml (ONNX operators, "ai.onnx.ml") and of ZipMap.
CLASS_ATTRIBUTES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")


def model_files(place: Path) -> dict[str, Path]:
    """Return the files of a model by the path that they have in its folder.

    Args:
        place: an ONNX file, whose external data is found too, or a folder with `model.onnx`.

    Raises:
        ConfigurationError: if it does not exist or is not an ONNX model.
    """
    if place.is_dir():
        found = {path.relative_to(place).as_posix(): path for path in place.rglob("*") if path.is_file()}
        if GRAPH_FILE not in found:
            raise ConfigurationError(f"{place} holds no {GRAPH_FILE}")
        return found
    try:
        graph = onnx.load_model(place, load_external_data=False)
    except OSError as error:
        raise ConfigurationError(f"cannot read the model {place}: {error.strerror}") from None
    except (DecodeError, ValueError):
        raise ConfigurationError(f"{place} is not an ONNX model; `bento-governance adopt` converts others") from None
    return {GRAPH_FILE: place, **{name: place.parent / name for name in sorted(set(_external_files(graph)))}}


def write_card(folder: Path, name: str) -> tuple[dict[str, Any], Signature]:
    """Complete the card of the model in a folder from its graph, which is scanned first; return card and signature.

    Args:
        folder: with `model.onnx`; a `card.json` in it keeps what it says.
        name: the model's name.

    Raises:
        ManifestMismatchError: if the scan has findings, or the card does not fit the graph.
        ConfigurationError: if a file cannot be read, or ONNX Runtime cannot load the model.
    """
    files = without_zipmap(read_folder(folder))
    admit(scanned_sources(files), DEFAULT_SCAN_LIMITS)
    contents = {file.path: file.content() for file in completed(files, name, 1)}
    graph, card = contents[GRAPH_FILE], json.loads(contents[CARD_FILE])
    others = {path: memoryview(content) for path, content in contents.items() if path not in (GRAPH_FILE, CARD_FILE)}
    _, session = place(Plan(graph, others, RuntimeSettings()), name)
    signature = signature_of(session, graph, card)
    classes = classes_of(onnx.load_model_from_string(graph), signature.outputs)
    card = {"name": name, **({"classes": classes} if classes else {}), **card} | {"name": name}
    (folder / GRAPH_FILE).write_bytes(graph)
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return card, signature


def classes_of(graph: onnx.ModelProto, outputs: Sequence[TensorSpec]) -> list[str]:
    """Return the names of the classes that the nodes of a classifier hold; none if they do not fit any output.

    Args:
        graph: as scikit-learn, XGBoost and LightGBM export it, or with a list in the metadata entry `classes`.
        outputs: of the graph; the last axis of one must have as many items, or a free size.
    """
    for names in _listed_classes(graph):
        if any(spec.shape[-1:] in ((len(names),), (-1,)) and len(spec.shape) > 1 for spec in outputs):
            return names
    return []


def model_contents(name: str, card: Mapping[str, Any], signature: Signature) -> Contents:
    """Return the contents for a service with one model.

    Args:
        name: of service and model.
        card: the model's card.
        signature: of its graph.
    """
    words = identifiers([spec.name for spec in signature.inputs])
    zeros = {words[key]: value.tolist() for key, value in example_inputs(signature.inputs, card).items()}
    example = json.dumps(zeros) + "\n"
    route = f'path = "/predict"\nmodel = "{name}"'
    if len(example) > MAX_BODY_BYTES // 4:
        route += f"\nmax_body_bytes = {4 * len(example)}"
    values = {
        "module": "service", "class_name": class_name(name), "action": "infer", "route": "/predict", "model": name,
        "parameters": "\n".join(f"        {words[spec.name]}: {_annotation(spec)}," for spec in signature.inputs),
        "tensors": ", ".join(f"{json.dumps(one.name)}: {_tensor(one, words[one.name])}" for one in signature.inputs),
    }  # fmt: skip
    return Contents(
        kind="model",
        values=common_values(name, values, routes=[route]),
        texts={EXAMPLE: example},
        body=json_body(),
    )


def identifiers(names: Sequence[str]) -> dict[str, str]:
    """Return a parameter's name in Python for each name of an input, such as `input_1` for `input:1`."""
    words: dict[str, str] = {}
    for number, name in enumerate(names):
        word = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_")
        if not word.isidentifier() or keyword.iskeyword(word) or word in words.values() or word in ("self", "model"):
            word = f"input_{number}"
        words[name] = word
    return words


def _annotation(spec: TensorSpec) -> str:
    if spec.datatype == "BYTES":
        return "list[Any]"
    shape = f", Shape({tuple(spec.shape)!r})" if spec.is_ranked and spec.shape else ""
    return f'Annotated[np.ndarray, DType("{np.dtype(numpy_type(spec.datatype)).name}"){shape}]'


def _tensor(spec: TensorSpec, word: str) -> str:
    return f"np.array({word}, dtype=object)" if spec.datatype == "BYTES" else word


def _external_files(graph: onnx.ModelProto) -> Iterator[str]:
    for tensor in graph.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                yield entry.value


def _listed_classes(graph: onnx.ModelProto) -> Iterator[list[str]]:
    for item in graph.metadata_props:
        if item.key == "classes":
            yield _names_in(item.value)
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name in CLASS_ATTRIBUTES:
                yield [text.decode("utf-8", "replace") for text in attribute.strings] or list(map(str, attribute.ints))


def _names_in(text: str) -> list[str]:
    try:
        names = json.loads(text)
    except ValueError:
        return []
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []
