"""Decisions of a Cedar policy set on requests; what no policy permits is denied.

A request is allowed only if Cedar decides Allow and reports no error in any policy. A decision is a pure function of
request and policy set, so decisions are cached; the cache is bounded and belongs to the set.

Source: https://docs.cedarpolicy.com (authorization, validation).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import cedarpy

from governance.access.callers.caller import AttributeValue
from governance.access.memo import Memo
from governance.access.policies.cedar.conditions import verify_conditions
from governance.access.policies.cedar.entities import Entities
from governance.access.policies.cedar.index import PolicyIndex, Uid
from governance.access.policies.cedar.schema import Schema
from governance.access.policies.cedar.text import Policy, parse_policies
from governance.access.policies.obligations import strictest
from governance.access.policies.verdict import PolicyRequest, Verdict
from governance.canonical import DIGEST_PREFIX
from governance.errors import ConfigurationError

# Attributes of the context; a decision gets those that the schema declares.
OPTIONAL_CONTEXT = frozenset({"route", "purpose", "client_ip", "time", "data_classes", "emergency"})


class PolicySet:
    """A validated set of policies with its schema and entities.

    Attributes:
        digest: `sha256:…` over all texts; the audit log names the set by it.
        policies: Policies and links of templates, by id.
        templates: Templates by id.
        words: All texts that conditions of the policies compare with. A caller's word that is one of them is safe to
            log, since the operator wrote it.

    Args:
        files: Name and text of each file of policies.
        schema: Text of the schema.
        entities: Entities as Cedar JSON.
        links: Template links as JSON.
        name: Name of the set, for error messages.

    Raises:
        ConfigurationError: with line and reason, if a text does not parse or does not fit the schema, or a condition
            can never be true.
    """

    def __init__(
        self,
        files: Iterable[tuple[str, str]],
        schema: str,
        entities: str = "[]",
        links: str = "[]",
        *,
        name: str = "the policies",
    ) -> None:
        files = list(files)
        self.digest = _digest(*(text for _, text in files), schema, entities, *([links] if links != "[]" else []))
        self._schema = Schema(schema, name)
        self.policies, self.templates = parse_policies(files, links)
        for file, text in files:
            self._schema.validate(text, file)
        self._schema.validate_links(self.policies.values())
        verify_conditions([*self.policies.values(), *self.templates.values()], schema)
        self.words = frozenset(_texts([policy.document["conditions"] for policy in self.policies.values()]))
        self._index = PolicyIndex(self.policies.values())
        self._entities = Entities(entities, schema, (item.document for item in self.policies.values()), name)
        self._memo: Memo[PolicyRequest, Verdict] = Memo()
        # The same verdicts by requests as they were asked, with what the schema does not declare.
        self._asked: Memo[PolicyRequest, Verdict] = Memo()
        self._handles: Memo[tuple[str, ...], cedarpy.PolicySet] = Memo(1024)

    def decide(self, request: PolicyRequest) -> Verdict:
        """Return the decision on a request, from the cache if the same request was decided before."""
        known = self._asked.get(request)
        if known is not None:
            return known
        fitted = self._fitted(request)
        verdict = self._memo.get(fitted)
        if verdict is None:
            verdict = self._decide(fitted)
            self._memo.put(fitted, verdict)
        self._asked.put(request, verdict)
        return verdict

    def declared(self, variable: str, names: frozenset[str], action: str, kind: str) -> frozenset[str]:
        """Return those of `names` that the schema declares; see `Schema.declared`."""
        return self._schema.declared(variable, names, action, kind)

    @property
    def roles(self) -> frozenset[str]:
        """Roles that a policy or the file of entities names; any other role gives no permission."""
        return frozenset(name for kind, name in self._entities.known if kind == "Role")

    def ancestors(self, uids: Iterable[Uid]) -> set[Uid]:
        """Return these entities and all their ancestors in the file of entities."""
        return self._entities.ancestors(uids)

    def explain(self, request: PolicyRequest) -> list[tuple[Policy, str]]:
        """Return every policy whose scope can match the request, with its own result.

        The result is `applies`, `does not apply`, or `errs: ` with the reason.
        """
        request, found = self._fitted(request), []
        for policy in self._candidates(request):
            result = self._authorize(request, [policy])
            errors = result.diagnostics.errors
            applies = "applies" if result.diagnostics.reasons else "does not apply"
            found.append((policy, f"errs: {str(errors[0])[:300]}" if errors else applies))
        return found

    def verify_request(self, request: PolicyRequest) -> None:
        """Refuse a request that Cedar cannot decide with this schema, whatever the policies say.

        Raises:
            ConfigurationError: with Cedar's reason, for example that the schema lacks the action.
        """
        fitted = self._fitted(request)
        problem = self._problem(fitted)
        if problem and fitted.route is None:
            # Of an action that does not apply to the resource, no context is declared: that is the cause to name.
            other = self._problem(fitted._replace(route=request.route))
            problem = other if other and "resource type" in other else problem
        if problem:
            raise ConfigurationError(problem)

    def _problem(self, request: PolicyRequest) -> str | None:
        """Return why Cedar cannot decide a request; without policies, every error is about the request."""
        try:
            problems = self._authorize(request, []).diagnostics.errors
        except ValueError as error:
            problems = [str(error)]
        return str(problems[0]).removeprefix("failed to build request: ")[:300] if problems else None

    def _fitted(self, request: PolicyRequest) -> PolicyRequest:
        """Return the request without what the schema does not declare.

        Cedar would refuse undeclared attributes, and the cache would hold entries that differ only in them.
        """
        action, kind = request.action, request.resource[0]
        context = self._schema.declared("context", OPTIONAL_CONTEXT, action, kind)
        own, models = request.attributes, request.model_attributes
        return PolicyRequest(
            request.caller,
            request.roles,
            action,
            request.resource,
            request.groups,
            request.route if "route" in context else None,
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
        known = self._schema.declared(variable, frozenset(name for name, _ in pairs), action, kind)
        return tuple(pair for pair in pairs if pair[0] in known)

    def _decide(self, request: PolicyRequest) -> Verdict:
        candidates = self._candidates(request)
        try:
            result = self._authorize(request, candidates)
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

    def _authorize(self, request: PolicyRequest, policies: list[Policy]) -> cedarpy.AuthzResult:
        caller, resource, roles, groups = _uids(request)
        authorization = {
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
        return cedarpy.is_authorized(authorization, self._handle(policies), entities, self._schema.handle)

    def _handle(self, policies: list[Policy]) -> cedarpy.PolicySet:
        """Return a Cedar policy set of some policies; sets are cached, since few combinations occur."""
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
    """Return the uids of caller, resource, roles and groups; ids are passed as values, never inserted in Cedar text."""
    roles = [("Role", role) for role in request.roles]
    groups = [("ModelGroup", group) for group in request.groups]
    return ("Caller", request.caller), request.resource, roles, groups


def _context(request: PolicyRequest) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if request.route is not None:
        context["route"] = request.route
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


def _digest(*texts: str) -> str:
    parts = b"".join(hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
    return DIGEST_PREFIX + hashlib.sha256(parts).hexdigest()
