"""Conditions that can never hold are refused when the policies are loaded, so a misspelt `forbid` cannot stay silent."""

import pytest

from governance.access.policies.policy_set import PolicySet
from governance.errors import ConfigurationError

SCHEMA = """
entity Role;
entity Caller in [Role] { department?: String };
entity Model { card?: { level?: Long, owner: String } };
entity Service;
type Call = { route: String, purpose?: String };
action infer appliesTo { principal: [Caller], resource: [Model], context: Call };
action metrics appliesTo { principal: [Caller], resource: [Service], context: { route: String } };
"""
INFER = 'principal, action == Action::"infer", resource'


def load(policy):
    return PolicySet([("p.cedar", f'@id("p") {policy}')], SCHEMA)


@pytest.mark.parametrize(
    ("scope", "condition", "names"),
    [
        (INFER, 'when { context has porpuse && context.porpuse == "ads" }', "porpuse"),
        ("principal, action, resource", "when { context has porpuse }", "porpuse"),
        (INFER, "when { principal has departement }", "departement"),
        (INFER, "when { resource has card.lewel }", "lewel"),
        (INFER, "when { resource has card && resource.card has lewel }", "lewel"),
        (INFER, "unless { context has porpuse }", "porpuse"),
        (INFER, 'when { context.route == "/a" || context has porpuse }', "porpuse"),
        (INFER, "when { if context has purpose then context has porpuse else true }", "porpuse"),
        (INFER, 'when { context has "por puse" }', "por puse"),
        ('principal, action == Action::"metrics", resource', "when { context has purpose }", "purpose"),
    ],
)
def test_policy_with_has_of_an_undeclared_attribute_is_refused(scope, condition, names):
    with pytest.raises(ConfigurationError, match=f"p.cedar, line 1, policy 'p': .*'{names}'"):
        load(f"forbid ({scope}) {condition};")


@pytest.mark.parametrize(
    "condition",
    [
        "when { false }",
        "unless { true }",
        "when { resource is Service }",
        'when { "a" == "b" }',
        "when { context has purpose } unless { context has purpose }",
        "when { context has purpose && !(context has purpose) }",
        'when { context.route == "/a" && context.route == "/b" }',
        'when { context.route == "/a" } when { "/b" == context.route }',
        'unless { context.route == "/a" || !(context.route == "/a") }',
    ],
)
def test_policy_that_can_never_apply_is_refused(condition):
    with pytest.raises(ConfigurationError, match=r"p\.cedar, line 1, policy 'p': its condition can never be true"):
        load(f"forbid ({INFER}) {condition};")


@pytest.mark.parametrize(
    ("scope", "condition"),
    [
        (INFER, 'when { context has purpose && context.purpose == "ads" }'),
        ("principal, action, resource", "when { context has purpose }"),
        (INFER, "unless { context has purpose }"),
        (INFER, "when { resource has card.level && resource.card.level > 3 }"),
        (INFER, "when { principal has department || resource has card }"),
        (INFER, 'when { context.route == "/a" || context.route == "/b" }'),
        (INFER, 'when { context.route == "/a" && context.route != "/b" }'),
        (INFER, "when { true }"),
        (INFER, "when { {\"a\": 1} has a }"),
    ],
)  # fmt: skip
def test_policy_with_a_possible_condition_is_loaded(scope, condition):
    assert load(f"permit ({scope}) {condition};").policies


def test_policy_template_with_a_misspelt_attribute_is_refused_before_it_is_linked():
    with pytest.raises(ConfigurationError, match="porpuse"):
        load('permit (principal is Caller in ?principal, action == Action::"infer", resource == ?resource) '
             "when { context has porpuse };")  # fmt: skip
