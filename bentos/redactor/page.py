"""The redactor's page: three static files without personal data; it calls `/redact` with the visitor's own key."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).with_name("page")
FILES = {
    "": "text/html; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


async def file(request: Request) -> Response:
    """Return one of the page's files."""
    name = request.path_params.get("name", "")
    if name not in FILES:
        return Response("no such file", status_code=404)
    return FileResponse(FOLDER / (name or "index.html"), media_type=FILES[name], headers=HEADERS)


app = Starlette(routes=[Route("/", file), Route("/{name}", file)])
