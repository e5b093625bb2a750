"""Cedar text: policies, templates and links of templates, each with its id, its place and its obligations."""

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
# Part of the place of a policy that is a link of a template.
LINKED = ", linked as '"

# A policy ends at a semicolon outside strings and comments.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy, template, or link of a template.

    Attributes:
        id: The `@id` of the policy, or the id of the link.
        effect: `permit` or `forbid`.
        document: Cedar JSON without annotations.
        obligations: Parsed annotations `@output` and `@anonymize`.
        description: The annotation `@description`, or "".
        place: File and line, for messages.
        text: Cedar text.
    """

    id: str
    effect: str
    document: Mapping[str, Any]
    obligations: Obligations
    description: str
    place: str
    text: str


def parse_policies(files: Sequence[tuple[str, str]], links: str = "[]") -> tuple[dict[str, Policy], dict[str, Policy]]:
    """Parse policies one by one, so that an error has a line and each policy is named by its `@id`.

    Args:
        files: Name and text of each file.
        links: JSON: `[{"template": …, "id": …, "principal": {"type": …, "id": …}, "resource": {…}}]`.

    Returns:
        The policies, among them the links of templates, and the templates; both by id.

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
        raise ConfigurationError(f'{place}: has no @id("…") annotation, which the audit log needs')
    try:
        obligations = parse_obligations(annotations)
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error}") from None
    if raw["effect"] == "forbid" and obligations != NO_OBLIGATIONS:
        raise ConfigurationError(f"{place}: a forbid cannot have obligations; put @output and @anonymize on permits")
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
            raise ConfigurationError(f"{place}: has no id, or names no template of the policies")
        document = {**template.document, **{slot: _filled(template, slot, link, place) for slot in SLOTS}}
        yield Policy(
            link["id"],
            template.effect,
            document,
            template.obligations,
            template.description,
            f"{template.place}{LINKED}{link['id']}'",
            template.text,
        )


def _filled(template: Policy, slot: str, link: Mapping[str, Any], place: str) -> Any:
    """Return a scope of the template with its slot replaced by the entity of the link."""
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
    """Yield each policy with the line on which it begins; text after the last semicolon counts unless it is blank.

    Example:
        `"permit (principal, action, resource);"` yields `(1, "permit (principal, action, resource);")`.
    """
    start = 0
    for token in _TOKEN.finditer(text):
        if token.group() == ";":
            yield _line_of(text, start), text[start : token.end()]
            start = token.end()
    rest = text[start:]
    if re.sub(r"//[^\n]*", "", rest).strip():
        yield _line_of(text, start), rest


def parsed(parse: Callable[[], Any], problem: str) -> Any:
    """Return the result of a call of Cedar's parser.

    Args:
        parse: The call.
        problem: Beginning of the error message.

    Raises:
        ConfigurationError: with `problem` and Cedar's message.
    """
    try:
        return parse()
    except ValueError as error:
        raise ConfigurationError(f"{problem}: {str(error)[:1000]}") from None


def _line_of(text: str, start: int) -> int:
    """Return the line of the first character from `start` on that is not a blank or in a comment."""
    blank = re.compile(r"(?:\s+|//[^\n]*)*").match(text, start)
    return text.count("\n", 0, blank.end() if blank else start) + 1
