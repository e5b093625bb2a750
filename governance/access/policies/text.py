"""Cedar text: policies and templates, each with its place, its name and what it obliges to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cedarpy

from governance.access.policies.obligations import NO_OBLIGATIONS, Obligations, parse_obligations
from governance.canonical import parse_json
from governance.errors import BadRequestError, ConfigurationError

ANNOTATIONS = frozenset({"id", "description", "output", "anonymize"})
SLOTS = ("principal", "resource")

# A policy ends at a semicolon that is in no string and no comment.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy, or one link of a template.

    Attributes:
        id: its `@id`, or its link's.
        document: its Cedar JSON, without annotations.
        place: file and line, for people.
    """

    id: str
    effect: str
    document: Mapping[str, Any]
    obligations: Obligations
    description: str
    place: str
    text: str


def parse_policies(files: Sequence[tuple[str, str]], links: str = "[]") -> tuple[dict[str, Policy], dict[str, Policy]]:
    """Parse policy by policy, so that an error has a line, and name each as its author does, by `@id`.

    Args:
        files: name and text of each.
        links: JSON: `[{"template": …, "id": …, "principal": {"type": …, "id": …}, "resource": {…}}]`.

    Returns:
        the policies with the templates' links among them, and the templates; by id.

    Raises:
        ConfigurationError: with file, line and reason.
    """
    policies: dict[str, Policy] = {}
    templates: dict[str, Policy] = {}
    for name, text in files:
        for line, statement in statements(text):
            place = f"{name}, line {line}"
            document = json.loads(parsed(partial(cedarpy.policies_to_json_str, statement), f"{place}: does not parse"))
            kind = templates if document.get("templates") else policies
            for raw in (*document.get("templates", {}).values(), *document["staticPolicies"].values()):
                policy = _policy(raw, place, statement)
                if policy.id in policies or policy.id in templates:
                    raise ConfigurationError(f"{place}: another policy has the @id '{policy.id}'")
                kind[policy.id] = policy
    for policy in _linked(templates, links):
        if policy.id in policies or policy.id in templates:
            raise ConfigurationError(f"{policy.place}: another policy has the id '{policy.id}'")
        policies[policy.id] = policy
    return policies, templates


def _policy(raw: dict[str, Any], place: str, text: str) -> Policy:
    annotations = {name: value or "" for name, value in raw.pop("annotations", {}).items()}
    unknown = sorted(set(annotations) - ANNOTATIONS)
    if unknown:
        raise ConfigurationError(f"{place}: has the unknown annotation @{unknown[0]}")
    if not annotations.get("id"):
        raise ConfigurationError(f'{place}: has no @id("…") annotation, by which the audit log names the policy')
    try:
        obligations = parse_obligations(annotations)
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error}") from None
    if raw["effect"] == "forbid" and obligations != NO_OBLIGATIONS:
        raise ConfigurationError(f"{place}: a forbid obliges to nothing; put @output and @anonymize on permits")
    return Policy(
        annotations["id"], raw["effect"], raw, obligations, annotations.get("description", ""), place, text.strip()
    )


def _linked(templates: Mapping[str, Policy], links: str) -> Iterator[Policy]:
    try:
        listed = parse_json(links.encode())
    except BadRequestError as error:
        raise ConfigurationError(f"the template links are {error}") from None
    for number, link in enumerate(listed if isinstance(listed, list) else [None]):
        place = f"template link {number + 1}"
        template = templates.get(link.get("template", "")) if isinstance(link, dict) else None
        if template is None or not isinstance(link.get("id"), str) or not link["id"]:
            raise ConfigurationError(f"{place}: names no template of the policies, or has no id of its own")
        document = {**template.document, **{slot: _filled(template, slot, link, place) for slot in SLOTS}}
        yield Policy(
            link["id"],
            template.effect,
            document,
            template.obligations,
            template.description,
            f"{template.place}, linked as '{link['id']}'",
            template.text,
        )


def _filled(template: Policy, slot: str, link: Mapping[str, Any], place: str) -> Any:
    """Return a scope with its slot replaced by the link's entity."""
    scope = template.document[slot]
    inner = scope["in"] if isinstance(scope.get("in"), dict) else scope
    entity = link.get(slot)
    if "slot" not in inner:
        if entity is not None:
            raise ConfigurationError(f"{place}: the template '{template.id}' has no slot for a {slot}")
        return scope
    valid = (
        isinstance(entity, dict) and set(entity) == {"type", "id"} and all(isinstance(v, str) for v in entity.values())
    )
    if not valid:
        raise ConfigurationError(f'{place}: the {slot} must be {{"type": …, "id": …}}')
    filled = {**{name: value for name, value in inner.items() if name != "slot"}, "entity": entity}
    return filled if inner is scope else {**scope, "in": filled}


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each policy with the line that it begins on; what is left at the end is one more, unless it is blank."""
    start = 0
    for token in _TOKEN.finditer(text):
        if token.group() == ";":
            yield _line_of(text, start), text[start : token.end()]
            start = token.end()
    rest = text[start:]
    if re.sub(r"//[^\n]*", "", rest).strip():
        yield _line_of(text, start), rest


def parsed(parse: Callable[[], Any], problem: str) -> Any:
    """Return what Cedar makes of a text.

    Raises:
        ConfigurationError: with `problem`, and Cedar's own words.
    """
    try:
        return parse()
    except ValueError as error:
        raise ConfigurationError(f"{problem}: {str(error)[:1000]}") from None


def _line_of(text: str, start: int) -> int:
    """Return the line of the first character from `start` on that is neither blank nor in a comment."""
    blank = re.compile(r"(?:\s+|//[^\n]*)*").match(text, start)
    return text.count("\n", 0, blank.end() if blank else start) + 1
