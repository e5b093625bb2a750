"""Cedar: default deny, named policies, and every mistake found at start with its line."""

from pathlib import Path

import pytest

from governance.access.policy import PolicyFiles, PolicySet
from governance.access.verdict import Request
from governance.errors import ConfigurationError

DIGITS = Path(__file__).parents[2] / "bentos/digits"
SCHEMA = (DIGITS / "schema.cedarschema").read_text()
PERMIT = '@id("all") permit (principal, action, resource);'


def policy_set(text, schema=SCHEMA, entities="[]", links="[]"):
    return PolicySet([("policy.cedar", text)], schema, entities, links)


def ask(policies, **changes):
    arguments = {
        "caller": "demo",
        "roles": ("classifier",),
        "action": "infer",
        "resource": ("Model", "digits-cnn"),
        "groups": ("digits",),
        "route": "/",
    }
    return policies.decide(Request(**{**arguments, **changes}))


@pytest.fixture(scope="module")
def digits():
    return PolicyFiles(DIGITS / "policy.cedar", DIGITS / "schema.cedarschema").load()


def test_an_empty_policy_file_denies_everything():
    verdict = ask(policy_set(""))
    assert (verdict.allowed, verdict.policy_ids) == (False, ())


def test_a_permit_allows_and_is_named(digits):
    verdict = ask(digits)
    assert (verdict.allowed, verdict.policy_ids) == (True, ("classifiers-use-digit-models",))
    assert verdict.policy_digest.startswith("sha256:")


def test_a_forbid_overrides(digits):
    verdict = ask(digits, purpose="advertising")
    assert (verdict.allowed, verdict.policy_ids) == (False, ("nobody-for-advertising",))


@pytest.mark.parametrize(
    "changes",
    [
        {"roles": ()},
        {"roles": ("Classifier",)},
        {"roles": ('classifier" || true || "',)},
        {"groups": ()},
        {"action": "metrics"},
        {"action": "no-such-action"},
        {"action": 'infer", resource); //'},
        {"resource": ("Model", 'x"; permit (principal, action, resource); //')},
        {"resource": ("Service", "digits")},
        {"caller": "", "roles": ()},
    ],
)
def test_what_no_policy_permits_is_denied(digits, changes):
    if changes.get("resource", ("Model",))[0] == "Model" and "resource" in changes:
        changes = {**changes, "groups": ()}
    assert not ask(digits, **changes).allowed


def test_a_policy_that_errs_denies():
    schema = SCHEMA.replace("purpose?: String", "purpose?: String, count?: Long")
    erring = (
        PERMIT
        + '\n@id("errs") forbid (principal, action, resource) when { context has purpose && 9223372036854775807 + 1 > 0 };'
    )
    verdict = ask(policy_set(erring, schema), purpose="x")
    assert not verdict.allowed
    assert verdict.errors


def test_the_digest_changes_with_every_file():
    digests = {
        policy_set(p, s, e).digest
        for p, s, e in [("", SCHEMA, "[]"), (PERMIT, SCHEMA, "[]"), ("", SCHEMA + "\n", "[]"), ("", SCHEMA, "[ ]")]
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("policies", "says"),
    [
        (PERMIT + "\n\n// a comment;\n@id(\"b\")\npermit (principal, action resource);", "line 4: does not parse"),
        (PERMIT + "\npermit (principal, action, resource);", "line 2: has no @id"),
        (PERMIT + "\n" + PERMIT, "line 2: another policy has the @id 'all'"),
        (PERMIT + "\n" + '@id("b") permit (principal, action, resource) when { context.nothing };', "line 2, policy 'b'.*nothing"),
        ('@id("a") @output("labels") permit (principal, action, resource);', "line 1: @output must be"),
        ('@id("a") @output("top-k") permit (principal, action, resource);', "line 1: @output must be"),
        ('@id("a") @output("top-k:0") permit (principal, action, resource);', "line 1: @output must be"),
        ('@id("a") @anonymize("") permit (principal, action, resource);', "names no profile"),
        ('@id("a") @output("label") forbid (principal, action, resource);', "a forbid obliges to nothing"),
        ('@id("a") @colour("x") permit (principal, action, resource);', "unknown annotation"),
        ('@id("a") permit (principal == ?principal, action, resource in ?resource) when { context.no };', "does not fit the schema"),
        ('@id("a") permit (principal == User::"x", action, resource);', "does not fit the schema"),
        ('@id("a;b") permit (principal, action, resource)', "does not parse"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_at_start_with_its_line(policies, says):
    with pytest.raises(ConfigurationError, match=says):
        policy_set(policies)


def test_a_broken_schema_or_entity_is_found_at_start():
    with pytest.raises(ConfigurationError, match="schema does not parse"):
        policy_set(PERMIT, "entity ;")
    with pytest.raises(ConfigurationError, match="entities"):
        policy_set(PERMIT, SCHEMA, '[{"uid":{"type":"Nobody","id":"x"},"attrs":{},"parents":[]}]')


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ConfigurationError, match="absent"):
        PolicyFiles(tmp_path / "absent", DIGITS / "schema.cedarschema").load()


def test_a_decision_is_remembered_exactly(digits):
    assert ask(digits) is ask(digits)
    assert ask(digits) is not ask(digits, caller="other")
