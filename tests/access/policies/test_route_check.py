"""Routes against the schema: what Cedar cannot decide is refused at start and by `policy check`."""

import pytest

from governance.access.policies.policy_set import PolicySet
from governance.access.policies.route_check import DecidedRoute, verify_routes
from governance.access.policies.verdict import PolicyRequest
from governance.errors import ConfigurationError

ENTITIES = "entity Role; entity Caller in [Role] { department: String }; entity Service; entity Model;"


def policies(context="route: String", resources="Model", action="infer"):
    schema = (
        f"{ENTITIES} action {action} appliesTo "
        f"{{ principal: [Caller], resource: [{resources}], context: {{ {context} }} }};"
    )
    return PolicySet([("p.cedar", '@id("all") permit (principal, action, resource);')], schema)


@pytest.mark.parametrize(
    ("made", "route", "says"),
    [
        (policies, DecidedRoute("/ask", "infer"), "resource type `Service` is not valid.*Give the route a model"),
        (policies, DecidedRoute("/ask", "explain", ("m",)), '`Action::"explain"` does not exist.*Declare the action'),
        (lambda: policies("route: Long"), DecidedRoute("/ask", "infer", ("m",)), "context .* is not valid"),
        (lambda: policies("ward: String"), DecidedRoute("/ask", "infer", ("m",)), "to have an attribute `ward`"),
        (lambda: policies(resources="Service"), DecidedRoute("/ask", "infer", ("m",)), "resource type `Model`"),
    ],
)
def test_verify_routes_refuses_what_cedar_cannot_decide(made, route, says):
    with pytest.raises(ConfigurationError, match=says) as refusal:
        verify_routes(made(), "s", [route])
    assert "/ask" in str(refusal.value)


def test_verify_routes_accepts_what_fits_even_if_callers_need_attributes():
    verify_routes(policies(), "s", [DecidedRoute("/ask", "infer", ("m", "n"))])
    verify_routes(policies(resources="Service"), "s", [DecidedRoute("/ask", "infer")])


@pytest.mark.parametrize("context", ["", "purpose?: String", "route?: String", "route: String, time?: datetime"])
def test_policy_set_decides_with_a_schema_that_does_not_declare_route(context):
    request = PolicyRequest("ada", (), "infer", ("Model", "m"), (), "/ask", attributes=(("department", "x"),))
    verdict = policies(context).decide(request)
    assert verdict.allowed, verdict
