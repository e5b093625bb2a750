"""The Cedar schema: validates policies, and returns which attributes it declares for an action."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial

import cedarpy

from governance.access.policies.cedar.text import LINKED, Policy, parsed, statements
from governance.errors import ConfigurationError


class Schema:
    """A parsed Cedar schema.

    Args:
        text: The schema in Cedar's own syntax.
        name: Name of the policies, for error messages.

    Raises:
        ConfigurationError: if the text is not a schema.
    """

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.handle = parsed(lambda: cedarpy.Schema.from_str(text), f"{name}: the schema does not parse")
        self._declared: dict[tuple[str, str, str, frozenset[str]], frozenset[str]] = {}

    def declared(self, variable: str, names: frozenset[str], action: str, kind: str) -> frozenset[str]:
        """Return those of `names` that the schema declares as attributes of a variable.

        Args:
            variable: `context`, `principal` or `resource`.
            names: Names of attributes.
            action: Id of the action.
            kind: Entity type of the resource, `Model` or `Service`.
        """
        key = variable, action, kind, names
        known = self._declared.get(key)
        if known is None:
            known = self._declared[key] = self._find_declared(variable, names, action, kind)
        return known

    def validate(self, policies: str, name: str) -> None:
        """Validate the policies of one text.

        Args:
            policies: Text with any number of policies and templates.
            name: Name of the file, for error messages.

        Raises:
            ConfigurationError: with the line and reason of each policy that does not fit the schema.
        """
        result = cedarpy.validate_policies(policies, self.text)
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

    def validate_links(self, policies: Iterable[Policy]) -> None:
        """Validate the policies that are links of templates; `validate` does not see them, since no text contains them.

        Raises:
            ConfigurationError: with the place and reason of the first that does not fit the schema.
        """
        for policy in policies:
            if LINKED not in policy.place:
                continue
            document = {"staticPolicies": {policy.id: policy.document}, "templates": {}, "templateLinks": []}
            text = parsed(partial(cedarpy.policies_from_json_str, json.dumps(document)), policy.place)
            result = cedarpy.validate_policies(text, self.text)
            if not result.validation_passed:
                raise ConfigurationError(f"{policy.place} does not fit the schema: {result.errors[0].error[:500]}")

    def _find_declared(self, variable: str, names: frozenset[str], action: str, kind: str) -> frozenset[str]:
        """Validate, for each name, a policy that reads the attribute.

        Cedar's validator resolves types that are declared elsewhere in the schema, which a look at its text would not.
        """
        listed = sorted(names)
        texts = [
            f"permit (principal is Caller, action == {_uid_text('Action', action)}, resource is {kind}) "
            f"when {{ {variable}[{json.dumps(name)}] == {variable}[{json.dumps(name)}] }};"
            for name in listed
        ]
        result = cedarpy.validate_policies("\n".join(texts), self.text)
        # An error about an optional attribute means that the attribute is declared.
        missing = {
            int(error.policy_id.removeprefix("policy"))
            for error in result.errors
            if "optional attribute" not in error.error
        }
        return frozenset(name for number, name in enumerate(listed) if number not in missing)


def _uid_text(kind: str, name: str) -> str:
    return f"{kind}::{json.dumps(name)}"
