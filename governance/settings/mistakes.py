"""Mistakes in settings, in words: which setting, where its value comes from, what is wrong, and what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from governance.names import suggestion

Place = tuple[str | int, ...]
# Other words than pydantic's, for those who do not know it.
_WORDS = {"missing": "is missing", "extra_forbidden": "is an unknown key"}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values come from.

    Attributes:
        file: the settings file.
        variables: the environment variable of each value that one has set, by the value's place.
    """

    file: str = "the settings"
    variables: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def of(self, place: Place) -> str:
        """Return the variable that has set a value, or a table with it; else the file."""
        words = tuple(map(str, place))
        return next(
            (self.variables[words[:n]] for n in range(len(words), 0, -1) if words[:n] in self.variables), self.file
        )


def sentence(error: ValidationError, model: type[BaseModel], sources: Sources, section: Sequence[str] = ()) -> str:
    """Return what is wrong with which setting of which source, without the values, which may be secrets.

    Example:
        `GOVERNANCE_LIMITS__BURTS: [limits.burts] is an unknown key; did you mean 'burst'?`

    Args:
        error: pydantic's.
        model: what was validated.
        sources: where values come from.
        section: the place of what was validated, if it is not the whole.
    """
    return "; ".join(_sentences(error, model, sources, section))


def _sentences(
    error: ValidationError, model: type[BaseModel], sources: Sources, section: Sequence[str]
) -> Iterator[str]:
    last = None
    for detail in error.errors(include_input=False, include_url=False):
        inner = detail["loc"]
        place = (*section, *inner)
        words = _WORDS.get(detail["type"], detail["msg"].removesuffix("."))
        if detail["type"] == "extra_forbidden":
            words += suggestion(str(inner[-1]), _known_keys(model, inner[:-1]))
        source = sources.of(place)
        yield f"{'' if source == last else source + ': '}[{'.'.join(map(str, place))}] {words}"
        last = source


def _known_keys(model: type[BaseModel], place: Place) -> frozenset[str]:
    """Return the keys of the table at a place."""
    return frozenset(key for table in _tables(model, place) for key in table.model_fields)


def _tables(kind: Any, place: Place) -> Iterator[type[BaseModel]]:
    """Yield the models that a table at a place may have; unions have several."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not place:
            yield kind
        elif (found := kind.model_fields.get(str(place[0]))) is not None:
            yield from _tables(found.annotation, place[1:])
        return
    inner = get_args(kind)
    # A list or a table by name takes one step; the members of a union take none.
    step = 1 if getattr(kind, "__origin__", None) in (tuple, list, dict) else 0
    for one in inner:
        yield from _tables(one, place[step:])
