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
