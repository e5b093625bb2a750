"""Cedar policies: default deny, names of policies, and errors reported at start with their line."""

import json
from pathlib import Path

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.access.memo import Memo
from governance.access.policies.policy_files import PolicyFiles
from governance.access.policies.policy_set import PolicySet
from governance.access.policies.review import review
from governance.access.policies.verdict import PolicyRequest
from governance.errors import ConfigurationError

DIGITS = Path(__file__).parents[3] / "bentos/digits"
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
    return policies.decide(PolicyRequest(**{**arguments, **changes}))


@pytest.fixture(scope="module")
def digits():
    return PolicyFiles(DIGITS / "policy.cedar", DIGITS / "schema.cedarschema").load()


def test_policy_set_empty_denies_everything():
    verdict = ask(policy_set(""))
    assert (verdict.allowed, verdict.policy_ids) == (False, ())


def test_policy_set_permit_allows_and_is_named(digits):
    verdict = ask(digits)
    assert (verdict.allowed, verdict.policy_ids) == (True, ("classifiers-use-digit-models",))
    assert verdict.policy_digest.startswith("sha256:")


def test_policy_set_forbid_overrides_permit(digits):
    verdict = ask(digits, purpose="advertising")
    assert (verdict.allowed, verdict.policy_ids) == (False, ("no-advertising",))


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
def test_policy_set_denies_what_no_policy_permits(digits, changes):
    if changes.get("resource", ("Model",))[0] == "Model" and "resource" in changes:
        changes = {**changes, "groups": ()}
    assert not ask(digits, **changes).allowed


def test_policy_set_policy_with_an_error_denies():
    schema = SCHEMA.replace("purpose?: String", "purpose?: String, count?: Long")
    erring = (
        PERMIT
        + '\n@id("errs") forbid (principal, action, resource) when { context has purpose && 9223372036854775807 + 1 > 0 };'
    )
    verdict = ask(policy_set(erring, schema), purpose="x")
    assert not verdict.allowed
    assert verdict.errors


def test_policy_set_digest_changes_with_every_file():
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
        ('@id("a") @output("label") forbid (principal, action, resource);', "a forbid cannot have obligations"),
        ('@id("a") @colour("x") permit (principal, action, resource);', "unknown annotation"),
        ('@id("a") permit (principal == ?principal, action, resource in ?resource) when { context.no };', "does not fit the schema"),
        ('@id("a") permit (principal == User::"x", action, resource);', "does not fit the schema"),
        ('@id("a;b") permit (principal, action, resource)', "does not parse"),
    ],
)  # fmt: skip
def test_policy_set_error_names_the_line_at_start(policies, says):
    with pytest.raises(ConfigurationError, match=says):
        policy_set(policies)


def test_policy_set_refuses_invalid_schema_or_entities_at_start():
    with pytest.raises(ConfigurationError, match="schema does not parse"):
        policy_set(PERMIT, "entity ;")
    with pytest.raises(ConfigurationError, match="entities"):
        policy_set(PERMIT, SCHEMA, '[{"uid":{"type":"Nobody","id":"x"},"attrs":{},"parents":[]}]')


def test_policy_set_error_names_missing_files(tmp_path):
    with pytest.raises(ConfigurationError, match="absent"):
        PolicyFiles(tmp_path / "absent", DIGITS / "schema.cedarschema").load()


def test_policy_decision_cache_is_exact(digits):
    assert ask(digits) is ask(digits)
    assert ask(digits) is not ask(digits, caller="other")


RICH = """
entity Role in [Role]; entity ModelGroup in [ModelGroup];
entity Caller in [Role] { department?: String, wards?: Set<String> };
entity Model in [ModelGroup] { data_classification?: String, owner?: Caller };
entity Service;
type Call = { route: String, purpose?: String, client_ip?: ipaddr, time?: datetime, data_classes?: Set<String>, emergency?: String };
action infer, explain appliesTo { principal: [Caller], resource: [Model], context: Call };
action metadata appliesTo { principal: [Caller], resource: [Model, Service], context: { route: String } };
"""


def test_policy_context_contains_what_the_schema_declares():
    text = """
    @id("inside") permit (principal, action == Action::"infer", resource)
      when { context has client_ip && context.client_ip.isInRange(ip("10.0.0.0/8")) };
    @id("late") forbid (principal, action, resource) when { context has time && context.time > datetime("2027-01-01") };
    @id("health") forbid (principal, action, resource)
      when { context has data_classes && context.data_classes.contains("health") } unless { context has purpose && context.purpose == "treatment" };
    @id("glass") permit (principal, action == Action::"infer", resource) when { context has emergency };
    """.replace("forbid (principal, action, resource)", 'forbid (principal, action == Action::"infer", resource)')
    policies = policy_set(text, RICH)
    minute = 29_000_000  # 2025
    assert not ask(policies).allowed
    assert ask(policies, client_ip="10.1.2.3", minute=minute).policy_ids == ("inside",)
    assert not ask(policies, client_ip="192.0.2.1").allowed
    assert ask(policies, client_ip="10.1.2.3", minute=30_000_000).policy_ids == ("late",)
    assert ask(policies, client_ip="10.1.2.3", data_classes=("health",)).policy_ids == ("health",)
    assert ask(policies, client_ip="10.1.2.3", data_classes=("health",), purpose="treatment").allowed
    assert ask(policies, emergency="resuscitation").policy_ids == ("glass",)
    assert not ask(policies, action="metadata", client_ip="10.1.2.3", purpose="x", emergency="y").errors


def test_policy_decision_cache_ignores_context_outside_the_schema(digits):
    before = len(digits._memo)
    for minute in range(100):
        ask(digits, caller="minutes", client_ip=f"10.0.0.{minute}", minute=minute, attributes=(("department", "er"),))
    assert len(digits._memo) == before + 1


def test_policy_invalid_client_ip_denies():
    text = '@id("a") permit (principal, action, resource) when { context has client_ip };'.replace(
        "action,", 'action == Action::"infer",'
    )
    verdict = ask(policy_set(text, RICH), client_ip="unix:/socket")
    assert not verdict.allowed and verdict.errors


def test_policy_sees_attributes_of_caller_and_model():
    text = """
    @id("own") permit (principal, action == Action::"infer", resource)
      when { principal has department && resource has data_classification && principal.department == resource.data_classification };
    @id("ward") permit (principal, action == Action::"explain", resource) when { principal has wards && principal.wards.contains("icu") };
    """
    policies = policy_set(text, RICH)
    attributes, card = (("department", "er"), ("unknown", 1)), (("data_classification", "er"), ("other", True))
    assert ask(policies, attributes=attributes, model_attributes=card).allowed
    assert not ask(policies, attributes=attributes).allowed
    assert ask(policies, action="explain", attributes=(("wards", ("er", "icu")),)).allowed
    assert not ask(policies, action="explain", attributes=(("wards", "icu"),)).allowed


def test_policy_sees_entities_of_a_file_and_nested_roles():
    entities = [
        {"uid": {"type": "Role", "id": "surgeon"}, "attrs": {}, "parents": [{"type": "Role", "id": "doctor"}]},
        {"uid": {"type": "ModelGroup", "id": "digits"}, "attrs": {}, "parents": [{"type": "ModelGroup", "id": "all"}]},
        {
            "uid": {"type": "Caller", "id": "ada"},
            "attrs": {"department": "er"},
            "parents": [{"type": "Role", "id": "surgeon"}],
        },
        {"uid": {"type": "Model", "id": "m"}, "attrs": {"owner": {"type": "Caller", "id": "ada"}}, "parents": []},
    ]
    text = """
    @id("doctors") permit (principal in Role::"doctor", action == Action::"infer", resource in ModelGroup::"all");
    @id("owner") permit (principal, action == Action::"explain", resource) when { resource has owner && resource.owner has department && resource.owner.department == "er" };
    @id("ada") permit (principal == Caller::"ada", action == Action::"metadata", resource);
    """
    policies = policy_set(text, RICH, json.dumps(entities))
    assert ask(policies, roles=("surgeon",)).policy_ids == ("doctors",)
    assert ask(policies, caller="ada", roles=()).policy_ids == ("doctors",)
    assert not ask(policies, caller="bob", roles=()).allowed
    assert ask(policies, action="explain", resource=("Model", "m"), caller="bob").allowed
    assert ask(policies, action="explain", resource=("Model", "m"), caller="ada").allowed
    assert ask(policies, action="metadata", caller="ada").policy_ids == ("ada",)


TEMPLATE = (
    '@id("share") @output("label") permit (principal == ?principal, action == Action::"infer", resource in ?resource);'
)
LINK = {
    "template": "share",
    "id": "share-with-ada",
    "principal": {"type": "Caller", "id": "ada"},
    "resource": {"type": "ModelGroup", "id": "digits"},
}


def test_policy_template_permits_its_links():
    policies = policy_set(TEMPLATE, SCHEMA, links=json.dumps([LINK]))
    verdict = ask(policies, caller="ada", roles=())
    assert verdict.policy_ids == ("share-with-ada",) and str(verdict.obligations) == "output=label"
    assert not ask(policies, caller="bob", roles=()).allowed
    assert not ask(policies, caller="ada", roles=(), groups=()).allowed
    assert not ask(policy_set(TEMPLATE), caller="ada").allowed


@pytest.mark.parametrize(
    "change",
    [
        {"template": "other"},
        {"id": ""},
        {"id": "share"},
        {"principal": None},
        {"principal": "ada"},
        {"principal": {"type": "Nobody", "id": "x"}},
        {"resource": {"type": "Service", "id": "x"}},
    ],
)
def test_policy_template_link_that_does_not_fit_is_refused(change):
    with pytest.raises(ConfigurationError):
        policy_set(TEMPLATE, SCHEMA, links=json.dumps([{**LINK, **change}]))


@pytest.mark.parametrize("links", ["", "{}", "[1]", '[{"template": "share"}]', "[" * 100_000])
def test_policy_template_links_file_that_is_invalid_is_refused(links):
    with pytest.raises(ConfigurationError):
        policy_set(TEMPLATE, SCHEMA, links=links)


def test_policy_obligations_of_deciding_permits_are_the_strictest():
    text = """
    @id("full") permit (principal, action == Action::"infer", resource);
    @id("rounded") @output("rounded:2") permit (principal in Role::"a", action == Action::"infer", resource);
    @id("top") @output("top-k:3") @anonymize("strict") permit (principal in Role::"b", action == Action::"infer", resource);
    @id("label") @output("label") permit (principal in Role::"c", action == Action::"infer", resource);
    """
    policies = policy_set(text)
    assert str(ask(policies, roles=("x",)).obligations) == ""
    assert str(ask(policies, roles=("a",)).obligations) == "output=rounded:2"
    assert str(ask(policies, roles=("a", "b")).obligations) == "output=top-k:3 anonymize=strict"
    assert str(ask(policies, roles=("a", "b", "c")).obligations) == "output=label anonymize=strict"


def test_policy_folder_is_read_in_order(tmp_path):
    (tmp_path / "a.cedar").write_text(PERMIT)
    (tmp_path / "b.cedar").write_text('@id("none") forbid (principal, action, resource);')
    (tmp_path / "readme.txt").write_text("not a policy")
    files = PolicyFiles(tmp_path, DIGITS / "schema.cedarschema")
    assert list(files.load().policies) == ["all", "none"]
    before = files.fingerprint()
    (tmp_path / "c.cedar").write_text("")
    assert files.fingerprint() != before
    (tmp_path / "c.cedar").write_text(PERMIT)
    with pytest.raises(ConfigurationError, match=r"c\.cedar, line 1: another policy has the @id 'all'"):
        files.load()


SCOPES = {
    "principal": ["principal", 'principal == Caller::"c1"', 'principal in Role::"r1"', 'principal in Role::"top"', "principal is Caller", 'principal is Caller in Role::"r2"'],
    "action": ["action", 'action == Action::"infer"', 'action in [Action::"infer", Action::"metadata"]', 'action == Action::"metadata"'],
    "resource": ["resource", 'resource == Model::"m1"', 'resource in ModelGroup::"g1"', "resource is Model", 'resource is Model in ModelGroup::"g2"'],
    "condition": ["", 'when { context.route == "/" }', 'unless { context.route == "/" }'],
}  # fmt: skip
random_policy = st.tuples(
    st.sampled_from(["permit", "forbid"]), *(st.sampled_from(scopes) for scopes in SCOPES.values())
)


@given(
    st.lists(random_policy, max_size=8),
    st.sampled_from(["c1", "c2"]),
    st.sets(st.sampled_from(["r1", "r2"])),
    st.sampled_from([("infer", ("Model", "m1")), ("infer", ("Model", "m2")), ("metadata", ("Service", "s"))]),
    st.sets(st.sampled_from(["g1", "g2"])),
)
@settings(max_examples=200, deadline=None)
def test_policy_slicing_decides_as_the_whole_set(rows, caller, roles, asked, groups):
    """The index skips policies that cannot match; Cedar with the whole set gives the expected decision."""
    text = "\n".join(f'@id("p{n}") {effect} ({p}, {a}, {r}) {c};' for n, (effect, p, a, r, c) in enumerate(rows))
    entities = [{"uid": {"type": "Role", "id": "r1"}, "attrs": {}, "parents": [{"type": "Role", "id": "top"}]}]
    try:
        policies = policy_set(text, RICH, json.dumps(entities))
    except ConfigurationError:
        return  # The validator refuses a scope that fits no action.
    action, resource = asked
    groups = groups if resource[0] == "Model" else ()
    verdict = ask(
        policies,
        caller=caller,
        roles=tuple(sorted(roles)),
        action=action,
        resource=resource,
        groups=tuple(sorted(groups)),
    )
    everything = [
        *entities,
        {
            "uid": {"type": "Caller", "id": caller},
            "attrs": {},
            "parents": [{"type": "Role", "id": role} for role in roles],
        },
        {
            "uid": {"type": resource[0], "id": resource[1]},
            "attrs": {},
            "parents": [{"type": "ModelGroup", "id": group} for group in groups],
        },
    ]
    question = {
        "principal": {"type": "Caller", "id": caller}, "action": {"type": "Action", "id": action},
        "resource": {"type": resource[0], "id": resource[1]}, "context": {"route": "/"},
    }  # fmt: skip
    result = cedarpy.is_authorized(question, text, everything)
    names = result.diagnostics.id_annotations_by_reason.values()
    assert (verdict.allowed, sorted(verdict.policy_ids)) == (result.allowed, sorted(names))


def test_policy_remarks_name_policies_that_can_never_decide():
    text = """
    @id("nobody") forbid (principal in Role::"guest", action, resource);
    @id("guests") permit (principal in Role::"guest", action == Action::"infer", resource in ModelGroup::"digits");
    @id("some") permit (principal, action in [Action::"infer", Action::"metadata"], resource is Model);
    @id("again") permit (principal in Role::"x", action == Action::"infer", resource in ModelGroup::"digits") when { context.route == "/" };
    @id("less") @output("label") permit (principal, action == Action::"infer", resource is Model);
    @id("elsewhere") permit (principal, action == Action::"infer", resource == Model::"gone");
    @id("explained") permit (principal, action == Action::"explain", resource);
    """
    policies = policy_set(text)
    resources = {
        ("Model", "digits-cnn"): {("Model", "digits-cnn"), ("ModelGroup", "digits")},
        ("Service", "digits"): {("Service", "digits")},
    }
    remarks = [
        (remark.policy, remark.reason)
        for remark in review(
            policies.policies.values(), frozenset({"infer", "metadata"}), resources, policies.ancestors
        )
    ]
    assert remarks == [
        ("guests", "'nobody' forbids everything that it permits"),
        ("elsewhere", "no model or service is, or belongs to, Model::'gone'"),
        ("elsewhere", "'some' already permits all of it"),
        ("explained", "no route has the action explain"),
    ]
    wider = policy_set(
        text.replace('resource is Model);\n    @id("again")', 'resource);\n    @id("again")').replace(
            'Action::"metadata"], resource is Model', 'Action::"metadata"], resource'
        )
    )
    remarks = {
        remark.policy: remark.reason
        for remark in review(
            wider.policies.values(), frozenset({"infer", "metadata", "explain"}), resources, wider.ancestors
        )
    }
    assert remarks["again"] == "'some' already permits all of it"


def test_policy_decision_cache_is_bounded():
    text = '@id("a") permit (principal, action == Action::"infer", resource) when { context has client_ip && context.client_ip.isInRange(ip("10.0.0.0/8")) };'
    policies = policy_set(text, RICH)
    policies._memo = Memo(100)
    for number in range(2000):
        assert ask(policies, client_ip=f"10.0.{number // 250}.{number % 250}").allowed
    assert len(policies._memo) <= 200
