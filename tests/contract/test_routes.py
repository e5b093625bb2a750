"""Routes: the closed list, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.contract.routes import UNLISTED, Route, RouteTable
from governance.errors import ConfigurationError
from governance.oip.routes import oip_routes

TABLE = RouteTable((*oip_routes(10), Route("GET", "/livez", "probe", "bentoml", public=True)))


def test_variables_are_one_segment():
    match = TABLE.match("POST", "/v2/models/m/versions/3/infer")
    assert (match.model, match.version, match.route.action) == ("m", "3", "infer")


@given(st.text(alphabet="/v2modelsinferx{}.%2e\\;?#", max_size=60), st.sampled_from(["GET", "POST", "PUT", "get"]))
def test_only_what_is_listed_is_matched(path, method):
    match = TABLE.match(method, path)
    if match.route is not UNLISTED:
        filled = match.route.template.replace("{model}", match.model or "").replace("{version}", match.version or "")
        assert (match.route.method, filled) == (method, path)


def test_a_route_listed_twice_is_refused():
    with pytest.raises(ConfigurationError, match="twice"):
        RouteTable([Route("GET", "/a", "x", "oip"), Route("GET", "/a", "y", "oip")])
