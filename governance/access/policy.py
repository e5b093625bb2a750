"""Cedar policies: what a caller may ask, of which model, for which purpose. Default deny.

A decision is Allow only if Cedar says Allow and reports not one error. It is a pure function of request and policy
set, so decisions are memoised exactly, and the memo is bounded and goes with the set.
Source: https://docs.cedarpolicy.com (authorization, validation).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cedarpy

from governance.canonical import DIGEST_PREFIX
from governance.errors import ConfigurationError

ANNOTATIONS = frozenset({"id", "description"})
OBLIGATIONS = frozenset({"output", "anonymize"})
MAX_FILE_BYTES = 16 * 2**20
MAX_MEMO = 65_536

# A policy ends at a semicolon that is in no string and no comment.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided: `policy_ids` are the deciding policies' `@id`s, empty where nothing permitted."""

    allowed: bool
    policy_ids: tuple[str, ...]
    policy_digest: str
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One question. `resource` is `("Model", name)` or `("Service", name)`; `purpose` may be unknown."""

    caller: str
    roles: tuple[str, ...]
    action: str
    resource: tuple[str, str]
    groups: tuple[str, ...]
    route: str
    purpose: str | None = None


class PolicySet:
    """A validated set of policies with its schema and entities."""

    def __init__(self, policies: str, schema: str, entities: str = "[]", *, name: str = "the policies") -> None:
        """Parse and validate.

        Raises:
            ConfigurationError: with line and reason, if anything does not parse or validate.
        """
        self.digest = _digest(policies, schema, entities)
        self._schema = _parsed(lambda: cedarpy.Schema.from_str(schema), f"{name}: the schema does not parse")
        named = _named(policies, name)
        _validate(policies, schema, name)
        self._policies = cedarpy.PolicySet.from_json_str(
            json.dumps({"staticPolicies": named, "templates": {}, "templateLinks": []})
        )
        self._entities = _parsed(
            lambda: cedarpy.Entities.from_json_str(entities, schema), f"{name}: the entities do not fit the schema"
        )
        self._memo: dict[Request, Verdict] = {}

    @classmethod
    def from_files(cls, policies: Path, schema: Path, entities: Path | None = None) -> PolicySet:
        """Read and validate.

        Raises:
            ConfigurationError: with file, line and reason.
        """
        texts = [_read(policies), _read(schema), _read(entities) if entities is not None else "[]"]
        return cls(*texts, name=str(policies))

    def decide(self, request: Request) -> Verdict:
        """Return the decision on a request; the same request gets the same one from memory."""
        verdict = self._memo.get(request)
        if verdict is None:
            verdict = self._decide(request)
            if len(self._memo) >= MAX_MEMO:
                self._memo.clear()
            self._memo[request] = verdict
        return verdict

    def _decide(self, request: Request) -> Verdict:
        context: dict[str, Any] = {"route": request.route}
        if request.purpose is not None:
            context["purpose"] = request.purpose
        kind, name = request.resource
        question = {
            "principal": {"type": "Caller", "id": request.caller},
            "action": {"type": "Action", "id": request.action},
            "resource": {"type": kind, "id": name},
            "context": context,
        }
        try:
            entities = self._entities.with_added_json_str(json.dumps(list(_entities(request))))
            result = cedarpy.is_authorized(question, self._policies, entities, self._schema)
        except ValueError as error:
            return Verdict(False, (), self.digest, (str(error)[:300],))
        errors = tuple(str(error)[:300] for error in result.diagnostics.errors)
        allowed = result.decision == cedarpy.Decision.Allow and not errors
        return Verdict(allowed, tuple(sorted(result.diagnostics.reasons)), self.digest, errors)


def _named(policies: str, name: str) -> dict[str, Any]:
    """Parse policy by policy, so that an error has a line, and name each as its author does, by `@id`."""
    named: dict[str, Any] = {}
    for line, text in _statements(policies):
        place = f"{name}, line {line}"
        document = json.loads(_parsed(partial(cedarpy.policies_to_json_str, text), f"{place}: does not parse"))
        if document.get("templates"):
            raise ConfigurationError(f"{place}: templates are not supported")
        for policy in document["staticPolicies"].values():
            policy_id = _verified_id(policy.get("annotations", {}), place)
            if policy_id in named:
                raise ConfigurationError(f"{place}: another policy has the @id '{policy_id}'")
            named[policy_id] = policy
    return named


def _verified_id(annotations: Mapping[str, str], place: str) -> str:
    for annotation in annotations:
        if annotation in OBLIGATIONS:
            raise ConfigurationError(f"{place}: obliges by @{annotation}, which this version cannot carry out")
        if annotation not in ANNOTATIONS:
            raise ConfigurationError(f"{place}: has the unknown annotation @{annotation}")
    policy_id = annotations.get("id")
    if not policy_id:
        raise ConfigurationError(f'{place}: has no @id("…") annotation, by which the audit log names the policy')
    return policy_id


def _validate(policies: str, schema: str, name: str) -> None:
    result = cedarpy.validate_policies(policies, schema)
    if result.validation_passed:
        return
    lines = [line for line, _ in _statements(policies)]
    ids = result.id_annotations_by_policy_id
    problems = []
    for error in result.errors:
        number = error.policy_id.removeprefix("policy")
        line = lines[int(number)] if number.isdigit() and int(number) < len(lines) else "?"
        reason = error.error.replace(f"for policy `{error.policy_id}`, ", "")
        problems.append(f"line {line}, policy '{ids.get(error.policy_id, '')}': {reason}")
    raise ConfigurationError(f"{name} does not fit the schema: {'; '.join(dict.fromkeys(problems))[:1000]}")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each policy with the line that it begins on; what is left at the end is one more, unless it is blank."""
    start = 0
    for token in _TOKEN.finditer(text):
        if token.group() == ";":
            yield _line_of(text, start), text[start : token.end()]
            start = token.end()
    rest = text[start:]
    if re.sub(r"//[^\n]*", "", rest).strip():
        yield _line_of(text, start), rest


def _line_of(text: str, start: int) -> int:
    """Return the line of the first character from `start` on that is neither blank nor in a comment."""
    blank = re.compile(r"(?:\s+|//[^\n]*)*").match(text, start)
    return text.count("\n", 0, blank.end() if blank else start) + 1


def _entities(request: Request) -> Iterable[dict[str, Any]]:
    """Yield the request's own entities; ids go as values and are never spliced into Cedar text."""
    kind, name = request.resource
    yield _entity("Caller", request.caller, [("Role", role) for role in request.roles])
    yield _entity(kind, name, [("ModelGroup", group) for group in request.groups])


def _entity(kind: str, name: str, parents: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "uid": {"type": kind, "id": name},
        "attrs": {},
        "parents": [{"type": parent_kind, "id": parent} for parent_kind, parent in parents],
    }


def _parsed(parse: Callable[[], Any], problem: str) -> Any:
    try:
        return parse()
    except ValueError as error:
        raise ConfigurationError(f"{problem}: {str(error)[:1000]}") from None


def _read(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8") from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{file} is larger than {MAX_FILE_BYTES} bytes")
    return text


def _digest(*texts: str) -> str:
    parts = b"".join(hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
    return DIGEST_PREFIX + hashlib.sha256(parts).hexdigest()
