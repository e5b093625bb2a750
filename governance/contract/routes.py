"""Routes: method and path → action and resource. A request without a matching route is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from governance.errors import ConfigurationError

MAX_PATH_CHARACTERS = 512
MAX_SEGMENT_CHARACTERS = 128
# Variables whose values choose what is decided about.
NAMING = frozenset({"{model}", "{version}"})
# Paths with variables that are remembered with their match; when there are more, all are forgotten.
MAX_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of the closed list of routes.

    Attributes:
        method: the HTTP method, upper case; exact, no override.
        template: the path, with variables such as `{model}` and `{version}`; the metric label.
        action: the Cedar action's id.
        server: the name of the server that answers: `oip` (Open Inference Protocol), `status` (status page), `bentoml`
            (the application behind the gate), `unlisted`, or `plugin:NAME`, which the host sets for a plugin's routes.
        model: the model, if the path does not name one; if this is None too, the resource is the service itself.
        model_parameter: a query parameter by which the caller may choose among `models` on this route.
        models: the allowed values of `model_parameter`.
        public: answers without a caller and without a policy decision (probes, and the refusal of unlisted paths).
        content_types: allowed media types of the body; empty for a route without a body.
        max_body_bytes: the longest body that is read.
        file_fields: multipart fields that must be files (a URL there would make the server fetch it).
        fetch_hosts: hosts from which a URL in such a field may be fetched.
        stream: the answer is sent piece by piece while it is produced.
        reply_type: the media type of the answer, as the service's signature declares it; None if only the answer shows
            it.
    """

    method: str
    template: str
    action: str
    server: str = ""
    model: str | None = None
    model_parameter: str | None = None
    models: frozenset[str] = frozenset()
    public: bool = False
    content_types: frozenset[str] = frozenset()
    max_body_bytes: int = 0
    file_fields: frozenset[str] = frozenset()
    fetch_hosts: frozenset[str] = frozenset()
    stream: bool = False
    reply_type: str | None = None


# The route of every request that matches no other, so that its refusal is counted and recorded like any other.
UNLISTED = Route(method="*", template="unlisted", action="none", server="unlisted", public=True)
# Actions that only read metadata of a model or the service: no model runs, so no purpose is needed and no stop applies.
READING = frozenset({"metadata", "metrics", "status"})


@dataclass(frozen=True, slots=True)
class Match:
    """A route, and the values of the path's variables, which come from the caller."""

    route: Route
    model: str | None
    version: str | None


class RouteTable:
    """The closed list of routes. Paths are compared byte for byte: no decoding, no collapsing, no trailing slash.

    Only the value of a variable other than `{model}` and `{version}` may be percent-encoded (RFC 3986, section 2.1),
    and only if the path has the same route when it is decoded, as the application sees it.

    Exact paths take one dictionary look-up, and so do those with variables that were matched before; the others are
    compared segment by segment.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[tuple[str, str], Match] = {}
        self._variable: dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]] = {}
        self._remembered: dict[tuple[str, str], Match] = {}
        self.routes = tuple(routes)
        self._methods = frozenset(route.method for route in self.routes)
        seen: set[tuple[str, str]] = set()
        for route in self.routes:
            if (route.method, route.template) in seen:
                raise ConfigurationError(f"the route {route.method} {route.template} is listed twice")
            seen.add((route.method, route.template))
            if "{" not in route.template:
                self._exact[route.method, route.template] = Match(route, route.model, None)
                continue
            segments = tuple(route.template.split("/"))
            self._variable.setdefault((route.method, len(segments)), []).append((segments, route))

    def match(self, method: str, path: str) -> Match:
        """Return the route of a request, or `UNLISTED`.

        Args:
            method: the HTTP method, upper case.
            path: the raw path as it was sent, not decoded.
        """
        asked = method, path
        exact = self._exact.get(asked) or self._remembered.get(asked)
        if exact is not None:
            return exact
        if len(path) <= MAX_PATH_CHARACTERS:
            parts = path.split("/")
            for segments, route in self._variable.get((method, len(parts)), ()):
                variables = _compare(segments, parts)
                if variables is not None:
                    if "%" in path and self.match(method, _decoded(parts)).route is not route:
                        break
                    found = Match(route, variables.get("{model}", route.model), variables.get("{version}"))
                    if len(self._remembered) >= MAX_REMEMBERED:
                        self._remembered.clear()
                    self._remembered[asked] = found
                    return found
        return Match(UNLISTED, None, None)

    def methods(self, path: str) -> tuple[str, ...]:
        """Return the HTTP methods of a path, in alphabetical order; none if no route matches it.

        Args:
            path: the raw path as it was sent, not decoded.
        """
        found = {method for method in self._methods if self.match(method, path).route is not UNLISTED}
        return tuple(sorted(found | ({"HEAD"} if "GET" in found else set())))


def _compare(segments: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    variables: dict[str, str] = {}
    for segment, part in zip(segments, parts, strict=True):
        if segment[:1] == "{":
            if not part or len(part) > MAX_SEGMENT_CHARACTERS:
                return None
            if "%" in part and (segment in NAMING or not _is_plain(unquote(part, errors="surrogateescape"))):
                return None
            variables[segment] = part
        elif segment != part:
            return None
    return variables


def _decoded(parts: list[str]) -> str:
    return "/".join(map(unquote, parts))


def _is_plain(value: str) -> bool:
    """Return whether a decoded value can be read in one way only: one segment, UTF-8, and not encoded twice."""
    return value.isprintable() and value not in (".", "..") and not any(sign in value for sign in "/\\%")
