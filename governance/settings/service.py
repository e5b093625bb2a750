"""The service itself and its own routes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from governance.settings.section import Name, Section

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
DEFAULT_PLUGINS = ("tracing", "audit", "metrics", "identity", "limits", "policy", "privacy")


class ServiceSettings(Section):
    """The service: its name, its plugins, and its status page."""

    name: Name = Field(
        description='Name of the service. In policies it is the resource `Service::"NAME"`; audit logs and traces '
        "carry it too.",
        examples=["digits"],
    )
    plugins: tuple[str, ...] = Field(
        default=DEFAULT_PLUGINS,
        description="Plugins that handle each request, the outermost first. Built in are tracing, audit, metrics, "
        "identity, stop, limits, policy, privacy and drift; other packages may provide more. An unknown plugin, or one "
        "that reads a fact which only a later plugin provides, stops the start. Without `[tracing] endpoint`, tracing "
        "takes no part.",
        examples=[["tracing", "audit", "metrics", "identity", "stop", "limits", "policy", "privacy", "drift"]],
    )
    development: bool = Field(
        default=False,
        description="Accept keys that `bento-governance init` and `dev` made for development. The service then "
        "answers callers on the same machine only, and 403 to all others. Without this, such a key stops the start.",
        examples=[True],
    )
    status_page: bool = Field(
        default=False,
        description="Serve a status page at `/governance/`. Its data needs a policy that permits the action `status`.",
        examples=[True],
    )
    max_reply_bytes: int = Field(
        default=64 * 2**20,
        gt=0,
        description="Longest answer of the service's own routes, in bytes. The caller of a longer one gets status "
        "500; a longer stream is cut off.",
        examples=[16_777_216],
    )
    hide_application_errors: bool = Field(
        default=False,
        description="Hide what the service's own code says in an error answer: the caller gets the status and its "
        "standard phrase only.",
        examples=[True],
    )
    max_background: int = Field(
        default=100,
        ge=0,
        description="How many requests of one worker may continue to work after their answer, as a BentoML task does. "
        "The answers of others wait until their work has ended.",
        examples=[1000],
    )
    background_seconds: float = Field(
        default=30.0,
        ge=0,
        description="How long such work may take at a shutdown, in seconds. Then it is cancelled, which is logged.",
        examples=[300.0],
    )


class CorsSettings(Section):
    """Which pages of other origins may read answers in a browser. Without this section: none."""

    origins: tuple[Annotated[str, Field(pattern=r"^(\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)$")], ...] = Field(
        min_length=1,
        description="Origins of the pages: scheme, host and port, or `*` for all.",
        examples=[["https://app.example.org"]],
    )
    headers: tuple[HeaderName, ...] = Field(
        default=("authorization", "content-type", "governance-purpose"),
        description="Request header fields that a page may send.",
        examples=[["authorization", "content-type", "traceparent"]],
    )
    exposed: tuple[HeaderName, ...] = Field(
        default=("governance-receipt", "retry-after"),
        description="Reply header fields that a page may read.",
        examples=[["governance-receipt"]],
    )
    credentials: bool = Field(
        default=False,
        description="Pages may send cookies and client certificates. Not with the origin `*`.",
        examples=[True],
    )
    max_age_seconds: int = Field(
        default=600, ge=0, description="How long a browser may remember a preflight answer.", examples=[3600]
    )

    @model_validator(mode="after")
    def _no_credentials_for_all(self) -> CorsSettings:
        if self.credentials and "*" in self.origins:
            raise ValueError("credentials need a list of origins, not '*'")
        return self


class RouteSettings(Section):
    """One of the service's own routes that callers may use. Each route that is not listed answers 404.

    A public route answers without authentication and without a policy decision, so use it for static files only.
    """

    path: str = Field(
        pattern=r"^(/([A-Za-z0-9._~-]*|\{[a-z_]+\}))+$",
        description="Path of the route, compared byte by byte: `/classify` and `/classify/` are two routes. A segment "
        "in braces matches any one segment. The path of a BentoML task opens all its routes (`/submit`, ...).",
        examples=["/classify", "/patients/{patient}"],
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="POST", description="HTTP method of the route.", examples=["GET"]
    )
    action: Name = Field(
        default="infer",
        description='Cedar action that a policy must permit, as in `Action::"infer"`.',
        examples=["redact"],
    )
    model: Name | None = Field(
        default=None,
        description="Model that is the resource of the policy decision. Without it, the resource is the service. It "
        "must be one of the served models, else the service does not start.",
        examples=["digits-cnn"],
    )
    model_parameter: Name | None = Field(
        default=None,
        description="Query parameter by which the caller chooses one of `models`. Any other value answers 404; "
        "without the parameter, `model` is used. Default: the caller has no choice.",
        examples=["model"],
    )
    models: tuple[Name, ...] = Field(
        default=(),
        description="Models that `model_parameter` may name.",
        examples=[["digits-cnn", "digits-rnn"]],
    )
    content_types: tuple[str, ...] = Field(
        default=("application/json",),
        description="Content types that a body (POST, PUT, PATCH) may have. Any other answers 415, before the body is "
        "read. Default: as the signature of the BentoML API says, `multipart/form-data` if it takes files.",
        examples=[["multipart/form-data"]],
    )
    max_body_bytes: int = Field(
        default=4 * 2**20,
        ge=0,
        description="Longest body that is read, in bytes. A longer one answers 413.",
        examples=[1_000_000],
    )
    public: bool = Field(
        default=False,
        description="Answer without authentication and without a policy decision. Only for a GET without a model.",
        examples=[True],
    )
    stream: bool = Field(
        default=False,
        description="Send the answer in pieces as the service makes it; the audit log gets a second entry when it "
        "ends. Default: the answer is collected first, then sent.",
        examples=[True],
    )
    fetch_hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")], ...] = Field(
        default=(),
        description="Hosts from which the server may fetch a file that the caller names by an https URL. Default: "
        "file fields take uploaded files only, and a URL is refused. List only hosts that do not redirect elsewhere.",
        examples=[["images.example.org"]],
    )

    @model_validator(mode="after")
    def _public_reads_alone(self) -> RouteSettings:
        if self.public and (self.method != "GET" or self.model is not None or self.model_parameter is not None):
            raise ValueError("a public route is a GET without a model")
        return self
