"""The service itself, its own routes, and what operators see of it: metrics and traces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from governance.settings.section import Name, Section

DEFAULT_PLUGINS = ("audit", "metrics", "identity", "limits", "policy", "privacy")


class ServiceSettings(Section):
    """The service itself: its Cedar entity id and which plugins stand in front of it, outermost first.

    With `status_page` there is a page at `/governance/`; what it shows is for those whom a policy permits the action
    `status`.
    """

    name: Name
    plugins: tuple[str, ...] = DEFAULT_PLUGINS
    status_page: bool = False
    max_reply_bytes: int = Field(default=64 * 2**20, gt=0)


class RouteSettings(Section):
    """One route of the service's own, opened to callers. What is not listed here is refused.

    `model` is the resource of the decision; with `model_parameter` the caller may name another of `models` in the query
    string. A `public` one answers strangers too, without a decision: for static files alone. A file field takes files
    alone, or an https URL of one of `fetch_hosts`, which the server then fetches: name only hosts that you trust not to
    lead elsewhere. With `stream`, an answer leaves piece by piece as it is made, and the log gets a second entry at
    its end; without it an answer is collected first.
    """

    path: str = Field(pattern=r"^/[A-Za-z0-9._~/-]*$")
    method: Literal["GET", "POST"] = "POST"
    action: Name = "infer"
    model: Name | None = None
    model_parameter: Name | None = None
    models: tuple[Name, ...] = ()
    content_types: tuple[str, ...] = ("application/json",)
    max_body_bytes: int = Field(default=4 * 2**20, ge=0)
    public: bool = False
    stream: bool = False
    fetch_hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")], ...] = ()

    @model_validator(mode="after")
    def _public_reads_alone(self) -> RouteSettings:
        if self.public and (self.method != "GET" or self.model is not None or self.model_parameter is not None):
            raise ValueError("a public route is a GET without a model")
        return self
