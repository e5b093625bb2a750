"""Cedar policies: what a caller may ask, of which model, for which purpose. Default deny.

A decision is Allow only if Cedar says Allow and reports not one error. It is a pure function of request and policy
set, so decisions are memoised exactly; the memo is bounded and goes with the set.
Source: https://docs.cedarpolicy.com (authorization, validation).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cedarpy

from governance.access.callers.caller import AttributeValue
from governance.access.memo import Memo
from governance.access.policies.entities import Entities
from governance.access.policies.index import PolicyIndex, Uid
from governance.access.policies.obligations import strictest
from governance.access.policies.text import Policy, parse_policies, parsed, statements
from governance.access.policies.verdict import PolicyRequest, Verdict
from governance.canonical import DIGEST_PREFIX
from governance.errors import ConfigurationError
from governance.files import Fingerprint, fingerprint, read_limited

MAX_FILE_BYTES = 16 * 2**20
# What the context of a request can hold beside the route; a policy sees what its schema declares.
OPTIONAL_CONTEXT = frozenset({"purpose", "client_ip", "time", "data_classes", "emergency"})


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """Where the policies lie: a file or a folder of `*.cedar`, the schema, and perhaps entities and template links."""

    policies: Path
    schema: Path
    entities: Path | None = None
    links: Path | None = None

    def load(self) -> PolicySet:
        """Read and validate.

        Raises:
            ConfigurationError: with file, line and reason.
        """
        files = [(str(path), _read(path)) for path in self._cedar_files()]
        entities, links = (_read(path) if path is not None else "[]" for path in (self.entities, self.links))
        return PolicySet(files, _read(self.schema), entities, links, name=str(self.policies))

    def fingerprint(self) -> tuple[Fingerprint | None, ...]:
        """Return what changes when any of the files does."""
        paths = [*self._cedar_files(), self.schema, self.entities, self.links]
        return tuple(fingerprint(path) for path in paths if path is not None)

    def _cedar_files(self) -> list[Path]:
        return sorted(self.policies.glob("*.cedar")) if self.policies.is_dir() else [self.policies]


class PolicySet:
    """A validated set of policies with its schema and entities."""

    def __init__(
        self,
        files: Iterable[tuple[str, str]],
        schema: str,
        entities: str = "[]",
        links: str = "[]",
        *,
        name: str = "the policies",
    ) -> None:
        """Parse and validate.

        Args:
            files: name and text of each file of policies.

        Raises:
            ConfigurationError: with line and reason, if anything does not parse or validate.
        """
        files = list(files)
        self.digest = _digest(*(text for _, text in files), schema, entities, *([links] if links != "[]" else []))
        self._schema_text = schema
        self._schema = parsed(lambda: cedarpy.Schema.from_str(schema), f"{name}: the schema does not parse")
        self.policies, self.templates = parse_policies(files, links)
        for file, text in files:
            _validate(text, schema, file)
        _validate_links(self.policies.values(), schema)
        # Every text that a policy compares with: a closed set, of which a caller's word may be one.
        self.words = frozenset(_texts([policy.document["conditions"] for policy in self.policies.values()]))
        self._index = PolicyIndex(self.policies.values())
        self._entities = Entities(entities, schema, (item.document for item in self.policies.values()), name)
        self._memo: Memo[PolicyRequest, Verdict] = Memo()
        self._handles: Memo[tuple[str, ...], cedarpy.PolicySet] = Memo(1024)
        self._declared: dict[tuple[str, str, str, frozenset[str]], frozenset[str]] = {}

    def decide(self, request: PolicyRequest) -> Verdict:
        """Return the decision on a request; the same request gets the same one from memory."""
        request = self._fitted(request)
        verdict = self._memo.get(request)
        if verdict is None:
            verdict = self._decide(request)
            self._memo.put(request, verdict)
        return verdict

    def declared(self, variable: str, names: frozenset[str], action: str, kind: str) -> frozenset[str]:
        """Return which attributes the schema declares of `context`, `principal` or `resource`, for an action.

        Args:
            kind: the resource's type.
        """
        key = variable, action, kind, names
        known = self._declared.get(key)
        if known is None:
            known = self._declared[key] = _declared(self._schema_text, variable, names, action, kind)
        return known

    def ancestors(self, uids: Iterable[Uid]) -> set[Uid]:
        """Return these entities and all that they are in, as the entities' file says."""
        return self._entities.ancestors(uids)

    def explain(self, request: PolicyRequest) -> list[tuple[Policy, str]]:
        """Return every policy whose scope may match, with what it says alone: whether it applies."""
        request, found = self._fitted(request), []
        for policy in self._candidates(request):
            result = self._ask(request, [policy])
            errors = result.diagnostics.errors
            applies = "applies" if result.diagnostics.reasons else "does not apply"
            found.append((policy, f"errs: {str(errors[0])[:300]}" if errors else applies))
        return found

    def _fitted(self, request: PolicyRequest) -> PolicyRequest:
        """Leave out what the schema does not declare: Cedar would refuse it, and the memo would grow by it."""
        action, kind = request.action, request.resource[0]
        context = self.declared("context", OPTIONAL_CONTEXT, action, kind)
        own, models = request.attributes, request.model_attributes
        return PolicyRequest(
            request.caller,
            request.roles,
            action,
            request.resource,
            request.groups,
            request.route,
            request.purpose if "purpose" in context else None,
            own and self._declared_of("principal", own, action, kind),
            models and self._declared_of("resource", models, action, kind),
            request.client_ip if "client_ip" in context else None,
            request.minute if "time" in context else None,
            (request.data_classes or ()) if "data_classes" in context else None,
            request.emergency if "emergency" in context else None,
        )

    def _declared_of(
        self, variable: str, pairs: tuple[tuple[str, AttributeValue], ...], action: str, kind: str
    ) -> tuple[tuple[str, AttributeValue], ...]:
        known = self.declared(variable, frozenset(name for name, _ in pairs), action, kind)
        return tuple(pair for pair in pairs if pair[0] in known)

    def _decide(self, request: PolicyRequest) -> Verdict:
        candidates = self._candidates(request)
        try:
            result = self._ask(request, candidates)
        except ValueError as error:
            return Verdict(False, (), self.digest, (str(error)[:300],))
        errors = tuple(str(error)[:300] for error in result.diagnostics.errors)
        allowed = result.decision == cedarpy.Decision.Allow and not errors
        reasons = tuple(sorted(result.diagnostics.reasons))
        obligations = strictest(self.policies[name].obligations for name in reasons)
        return Verdict(allowed, reasons, self.digest, errors, obligations)

    def _candidates(self, request: PolicyRequest) -> list[Policy]:
        caller, resource, roles, groups = _uids(request)
        return self._index.find(
            self._entities.ancestors([caller, *roles]), request.action, self._entities.ancestors([resource, *groups])
        )

    def _ask(self, request: PolicyRequest, policies: list[Policy]) -> cedarpy.AuthzResult:
        caller, resource, roles, groups = _uids(request)
        question = {
            "principal": {"type": caller[0], "id": caller[1]},
            "action": {"type": "Action", "id": request.action},
            "resource": {"type": resource[0], "id": resource[1]},
            "context": _context(request),
        }
        entities = self._entities.with_individuals(
            [
                (caller, _attributes(request.attributes), roles),
                (resource, _attributes(request.model_attributes), groups),
            ]
        )
        return cedarpy.is_authorized(question, self._handle(policies), entities, self._schema)

    def _handle(self, policies: list[Policy]) -> cedarpy.PolicySet:
        """Return Cedar's own set of a few policies; the same few are asked for again and again."""
        key = tuple(sorted(policy.id for policy in policies))
        handle = self._handles.get(key)
        if handle is None:
            document = {"staticPolicies": {policy.id: policy.document for policy in policies}}
            handle = cedarpy.PolicySet.from_json_str(json.dumps({**document, "templates": {}, "templateLinks": []}))
            self._handles.put(key, handle)
        return handle


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("Value"), str):
            yield value["Value"]
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _uids(request: PolicyRequest) -> tuple[Uid, Uid, list[Uid], list[Uid]]:
    """Ids go as values and are never spliced into Cedar text."""
    roles = [("Role", role) for role in request.roles]
    groups = [("ModelGroup", group) for group in request.groups]
    return ("Caller", request.caller), request.resource, roles, groups


def _context(request: PolicyRequest) -> dict[str, Any]:
    context: dict[str, Any] = {"route": request.route}
    if request.purpose is not None:
        context["purpose"] = request.purpose
    if request.client_ip is not None:
        context["client_ip"] = {"__extn": {"fn": "ip", "arg": request.client_ip}}
    if request.minute is not None:
        moment = datetime.fromtimestamp(request.minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        context["time"] = {"__extn": {"fn": "datetime", "arg": moment}}
    if request.data_classes is not None:
        context["data_classes"] = list(request.data_classes)
    if request.emergency is not None:
        context["emergency"] = request.emergency
    return context


def _attributes(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in pairs}


def _declared(schema: str, variable: str, names: frozenset[str], action: str, kind: str) -> frozenset[str]:
    """Ask Cedar's validator, which knows types that are named elsewhere, about a policy that reads each attribute."""
    listed = sorted(names)
    texts = [
        f"permit (principal is Caller, action == {_uid_text('Action', action)}, resource is {kind}) "
        f"when {{ {variable}[{json.dumps(name)}] == {variable}[{json.dumps(name)}] }};"
        for name in listed
    ]
    result = cedarpy.validate_policies("\n".join(texts), schema)
    missing = {
        int(error.policy_id.removeprefix("policy"))
        for error in result.errors
        if "optional attribute" not in error.error
    }
    return frozenset(name for number, name in enumerate(listed) if number not in missing)


def _uid_text(kind: str, name: str) -> str:
    return f"{kind}::{json.dumps(name)}"


def _validate(policies: str, schema: str, name: str) -> None:
    result = cedarpy.validate_policies(policies, schema)
    if result.validation_passed:
        return
    lines = [line for line, _ in statements(policies)]
    ids = result.id_annotations_by_policy_id
    problems = []
    for error in result.errors:
        number = error.policy_id.removeprefix("policy")
        line = lines[int(number)] if number.isdigit() and int(number) < len(lines) else "?"
        reason = error.error.replace(f"for policy `{error.policy_id}`, ", "")
        problems.append(f"line {line}, policy '{ids.get(error.policy_id, '')}': {reason}")
    raise ConfigurationError(f"{name} does not fit the schema: {'; '.join(dict.fromkeys(problems))[:1000]}")


def _validate_links(policies: Iterable[Policy], schema: str) -> None:
    """Validate the links of templates, which stand in no text."""
    for policy in policies:
        if ", linked as '" not in policy.place:
            continue
        document = json.dumps({"staticPolicies": {policy.id: policy.document}, "templates": {}, "templateLinks": []})
        text = parsed(partial(cedarpy.policies_from_json_str, document), policy.place)
        result = cedarpy.validate_policies(text, schema)
        if not result.validation_passed:
            raise ConfigurationError(f"{policy.place} does not fit the schema: {result.errors[0].error[:500]}")


def _read(file: Path) -> str:
    try:
        return read_limited(file, MAX_FILE_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8") from None


def _digest(*texts: str) -> str:
    parts = b"".join(hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
    return DIGEST_PREFIX + hashlib.sha256(parts).hexdigest()
