"""What is wrong with an inference request, and where: called only for a body that was not understood.

A sentence names places (`inputs[0].data[17]`) and kinds of values, and no value; of the caller's own words it repeats
the names of members, inputs and outputs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from governance.names import suggestion

MAX_SHOWN = 40
_MARKS = (
    (b"\xef\xbb\xbf", "begins with a byte order mark: send UTF-8 without one"),
    (b"\xff\xfe", "is UTF-16 or UTF-32: send UTF-8"),
    (b"\xfe\xff", "is UTF-16: send UTF-8"),
    (b"\x1f\x8b", "is compressed with gzip: say so with Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: say so with Content-Encoding: zstd"),
)
_EXPECTED = {"b": "true or false", "i": "an integer", "u": "an integer of 0 or more", "f": "a number", "O": "a string"}
# Stand for numbers where the datatype has them.
_WORDS = ("NaN", "Infinity", "-Infinity", None)
_TEXT, _OBJECT, _LIST = "a string", "an object", "a list"
# The members of a request, of an input and of an output: what each is, and whether it must be there.
_REQUEST = {"inputs": (_LIST, True), "id": (_TEXT, False), "parameters": (_OBJECT, False), "outputs": (_LIST, False)}
_INPUT = {
    "name": (_TEXT, True),
    "shape": (_LIST, True),
    "datatype": (_TEXT, True),
    "parameters": (_OBJECT, False),
}
_OUTPUT = {"name": (_TEXT, True), "parameters": (_OBJECT, False)}


def fault_of_body(head: bytes) -> str:
    """Return what is wrong with the JSON part of a request; an empty text if nothing is found.

    Args:
        head: the JSON part.
    """
    if not head.strip():
        return "it is empty: send a JSON object with 'inputs'"
    mark = next((meaning for mark, meaning in _MARKS if head.startswith(mark)), None)
    if mark is not None:
        return f"it {mark}"
    try:
        return next(_faults(json.loads(head.decode("utf-8"))), "")
    except (ValueError, RecursionError) as error:
        return _fault_of_json(error)


def fault_of_data(data: bytes, kind: str) -> str:
    """Return which element of a tensor's data is wrong, such as `data[17]: expected a number, got a string`.

    Args:
        data: the JSON value of the tensor's data, a list or nested lists.
        kind: the kind of its numpy type: `b`, `i`, `u`, `f` or `O`.
    """
    try:
        document = json.loads(data)
    except RecursionError:
        return "data is nested too deeply"
    except ValueError:
        return "data is not a list, or has a number with too many digits"
    if not isinstance(document, list):
        return f"data is not a list, but {_kind(document)}"
    for place, value in _leaves(document, "data", into_objects=False):
        fault = _fault_of_element(value, kind)
        if fault:
            return f"{place}: {fault}"
    return ""


def fault_of_names(what: str, given: Sequence[str], known: Iterable[str]) -> str:
    """Return which of the given names of inputs or outputs are wrong, or an empty text.

    Example: `there is no input 'imag'; did you mean 'image'?`

    Args:
        what: `input` or `output`.
        given: the names in the request.
        known: the names of the model.
    """
    names = sorted(known)
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        listed = ", ".join(f"'{name}'" for name in names)
        return f"there is no {what} '{shown(unknown)}', the model has {listed}{suggestion(unknown, names)}"
    repeated = next((name for name in given if given.count(name) > 1), None)
    return f"the {what} '{repeated}' occurs more than once" if repeated is not None else ""


def repeated_member(head: bytes) -> str:
    """Return the name of a member that an object has twice, or an empty text."""
    found: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                found.append(name)
            seen.add(name)

    try:
        json.loads(head, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return ""
    return shown(found[0]) if found else ""


def shown(name: str) -> str:
    """Return a name of the caller's for a sentence: short, and without what is not printable."""
    short = name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}..."
    return "".join(character if character.isprintable() else "?" for character in short)


def _fault_of_json(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return f"byte {error.start} is not UTF-8" if isinstance(error, UnicodeDecodeError) else "a number is too long"


def _faults(document: Any) -> Iterator[str]:
    if not isinstance(document, dict):
        yield f"expected an object with 'inputs', got {_kind(document)}"
        return
    yield from _faults_of_members(document, _REQUEST, "")
    for member, expected in (("inputs", _INPUT), ("outputs", _OUTPUT)):
        for number, item in enumerate(document.get(member, ())):
            place = f"{member}[{number}]"
            if not isinstance(item, dict):
                yield f"{place}: expected an object, got {_kind(item)}"
                continue
            yield from _faults_of_members(item, expected, place)
            yield from _faults_of_shape(item.get("shape", ()), f"{place}.shape")
    for place, value in _leaves(document, ""):
        if isinstance(value, str) and not _is_whole(value):
            yield f"{place}: half a surrogate pair is not a character"
        if isinstance(value, int | float) and _is_huge(value):
            yield f"{place}: the number is too large"


def _faults_of_members(members: dict[str, Any], expected: dict[str, tuple[str, bool]], place: str) -> Iterator[str]:
    where, prefix = (place or "the body"), f"{place}." if place else ""
    for name, (kind, needed) in expected.items():
        if name not in members and needed:
            near = get_close_matches(name, members.keys() - expected.keys(), n=1)
            yield f"{where} has no '{name}'" + (f", but '{shown(near[0])}'" if near else "")
        elif name in members and _kind(members[name]) != kind:
            yield f"{prefix}{name}: expected {kind}, got {_kind(members[name])}"


def _faults_of_shape(shape: Any, place: str) -> Iterator[str]:
    for number, size in enumerate(shape if isinstance(shape, list) else ()):
        if not isinstance(size, int) or isinstance(size, bool):
            yield f"{place}[{number}]: expected an integer, got {_kind(size)}"


def _fault_of_element(value: Any, kind: str) -> str:
    wanted = _EXPECTED[kind]
    if value in _WORDS and kind != "O":
        return "" if kind == "f" else f"expected {wanted}, got {value or 'null'}"
    if _kind(value) != {"b": "a boolean", "O": "a string"}.get(kind, "a number"):
        return f"expected {wanted}, got {_kind(value)}"
    if isinstance(value, str):
        return "" if _is_whole(value) else "half a surrogate pair is not a character"
    if isinstance(value, float) and kind in "iu" and not value.is_integer():
        return f"expected {wanted}, got a number with a fraction"
    return "the number is too large" if _is_huge(value) else ""


def _leaves(document: Any, place: str, *, into_objects: bool = True) -> Iterator[tuple[str, Any]]:
    """Yield every value that is no list and no object, with its place, in the document's order.

    Args:
        document: the document.
        place: where it is; empty for the whole body.
        into_objects: yield the values in objects, not the objects.
    """
    pending = [(place, document)]
    while pending:
        where, value = pending.pop()
        if isinstance(value, list):
            pending.extend((f"{where}[{number}]", item) for number, item in reversed(list(enumerate(value))))
        elif isinstance(value, dict) and into_objects:
            children = [(f"{where}.{shown(name)}".lstrip("."), item) for name, item in value.items()]
            pending.extend(reversed(children))
        else:
            yield where, value


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "a boolean"), (int | float, "a number"), (str, _TEXT), (list, _LIST), (dict, _OBJECT))
    return next(name for kind, name in kinds if isinstance(value, kind))


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _is_huge(value: float) -> bool:
    return math.isinf(value) if isinstance(value, float) else not -(2**63) <= value < 2**64
