"""The route table: only listed methods and paths match, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.contract.routes import UNLISTED, Route, RouteTable
from governance.errors import ConfigurationError
from governance.oip.routes import oip_routes

TABLE = RouteTable((*oip_routes(10), Route("GET", "/livez", "probe", "bentoml", public=True)))


def test_route_variable_matches_one_segment():
    match = TABLE.match("POST", "/v2/models/m/versions/3/infer")
    assert (match.model, match.version, match.route.action) == ("m", "3", "infer")


@given(st.text(alphabet="/v2modelsinferx{}.%2e\\;?#", max_size=60), st.sampled_from(["GET", "POST", "PUT", "get"]))
def test_route_table_matches_only_listed_paths(path, method):
    match = TABLE.match(method, path)
    if match.route is not UNLISTED:
        filled = match.route.template.replace("{model}", match.model or "").replace("{version}", match.version or "")
        assert (match.route.method, filled) == (method, path)


def test_route_table_refuses_route_listed_twice():
    with pytest.raises(ConfigurationError, match="twice"):
        RouteTable([Route("GET", "/a", "x", "oip"), Route("GET", "/a", "y", "oip")])


PATIENTS = RouteTable(
    (
        Route("GET", "/patients/{patient}", "infer", "bentoml"),
        Route("GET", "/patients/all", "list", "bentoml"),
        Route("GET", "/{folder}/notes", "notes", "bentoml"),
        *oip_routes(10),
    )
)


@pytest.mark.parametrize("value", ["a%20b", "J%C3%BCrgen", "p%2D1", "a%40b.org", "a+b", "all%20"])
def test_route_variable_may_be_percent_encoded(value):
    assert PATIENTS.match("GET", f"/patients/{value}").route.action == "infer"


@pytest.mark.parametrize(
    "value",
    ["a%2Fb", "a%5Cb", "%2e%2e", "%2E", "%00", "a%0Ab", "%FF", "%", "%zz", "%252F", "%61ll", "al%6C", "a%20" * 64],
)
def test_route_variable_that_can_be_read_in_two_ways_or_means_another_route_is_unlisted(value):
    assert PATIENTS.match("GET", f"/patients/{value}").route is UNLISTED


def test_route_of_an_encoded_path_is_that_of_the_decoded_one():
    assert PATIENTS.match("GET", "/patients/notes").route.action == "infer"
    assert PATIENTS.match("GET", "/%70atients/notes").route is UNLISTED
    assert PATIENTS.match("GET", "/v2/models/%6D").route is UNLISTED
