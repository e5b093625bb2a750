"""BentoML's access log names routes, and nothing that callers chose."""

import logging

import pytest
from bentoml._internal.server.http.access import AccessLogMiddleware

from governance.contract.routes import Route, RouteTable
from governance.host.logs import remove_paths_from_access_log

TABLE = RouteTable(
    (Route("GET", "/patients/{patient}", "infer", "bentoml"), Route("POST", "/classify", "infer", "bentoml"))
)


@pytest.fixture
def access():
    logger = logging.getLogger("bentoml.access")
    level, filters = logger.level, list(logger.filters)
    logger.setLevel(logging.INFO)
    remove_paths_from_access_log(TABLE)
    yield logger
    logger.setLevel(level)
    logger.filters[:] = filters


async def line_of(caplog, scope):
    """Return what BentoML's own middleware logs about a request."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        pass

    middleware = AccessLogMiddleware(
        app,
        has_request_content_length=True,
        has_request_content_type=True,
        has_response_content_length=True,
        has_response_content_type=True,
    )
    with caplog.at_level(logging.INFO, "bentoml.access"):
        await middleware({"type": "http", "scheme": "http", "headers": [], "client": ("::1", 7), **scope}, None, send)
    (record,) = caplog.records
    return record.getMessage()


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/patients/Maria Gonzalez", "/patients/{patient}"),
        ("HEAD", "/patients/Maria", "/patients/{patient}"),
        ("POST", "/classify", "/classify"),
        ("GET", "/patients/a,type=Maria", "/patients/{patient}"),
        ("GET", "/Maria\n/Gonzalez", "unlisted"),
    ],
)
async def test_access_log_names_the_route_and_no_value_of_a_path_or_type(access, caplog, method, path, route):
    fields = [(b"content-type", b"text/plain; x=Maria")]
    line = await line_of(caplog, {"method": method, "path": path, "headers": fields})
    assert f"(method={method},route={route})" in line and "status=200" in line
    assert "Maria" not in line and "Gonzalez" not in line


def test_access_log_line_of_another_form_is_dropped(access, caplog):
    with caplog.at_level(logging.INFO, "bentoml.access"):
        access.info("%s did something", "Maria")
        access.info("GET /patients/Maria")
    assert not caplog.records
