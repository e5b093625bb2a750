"""The one configuration: `governance.toml` and `GOVERNANCE_<SECTION>__<KEY>`, frozen, nothing unknown.

Paths in the file are relative to the file. Reading it opens no key and no model.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, model_validator

from governance.errors import ConfigurationError
from governance.privacy.paths import parse_path
from governance.privacy.scope import Scope
from governance.privacy.transform import FIELD, Operator

ENVIRONMENT_PREFIX = "GOVERNANCE_"
STORE_PREFIX = "store:"
FREE_TEXT = "text"
DEFAULT_PLUGINS = ("audit", "metrics", "identity", "limits", "policy", "privacy")

# A key in a file, or a passphrase, token or PIN in one, named within a key's URI.
_RELATIVE_FILE = re.compile(r"(^|=)file:(?!/)")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Pointer = Annotated[str, Field(pattern=r"^(/[^/]+)+$")]


def _read_by(reader: Callable[[str], object]) -> AfterValidator:
    """Let a craft judge a setting that is its own, so that what it refuses is refused before anything is opened."""

    def read(text: str) -> str:
        try:
            reader(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return text

    return AfterValidator(read)


PathText = Annotated[str, _read_by(parse_path)]
OperatorText = Annotated[str, _read_by(Operator.parse)]
ScopeText = Annotated[str, _read_by(Scope.parse)]
# Asymmetric alone: with HMAC among them, a public key would do as the secret (RFC 8725, 3.1).
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]


class Section(BaseModel):
    """Base of every section: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceSettings(Section):
    """The service itself: its Cedar entity id and which plugins stand in front of it, outermost first.

    With `status_page` there is a page at `/governance/`; what it shows is for those whom a policy permits the action
    `status`.
    """

    name: Name
    plugins: tuple[str, ...] = DEFAULT_PLUGINS
    status_page: bool = False
    max_reply_bytes: int = Field(default=64 * 2**20, gt=0)


class ModelSettings(Section):
    """One sealed artifact to serve: a file, or `store:TAG` in BentoML's model store. `groups` are Cedar ModelGroups."""

    artifact: Annotated[str, Field(pattern=r"^store:[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)?$")] | Path
    minimum_version: int = Field(default=1, ge=1)
    groups: tuple[Name, ...] = ()
    max_batch: int = Field(default=1024, ge=1)
    max_body_bytes: int = Field(default=16 * 2**20, gt=0)


class ArtifactSettings(Section):
    """Whom to trust and with which key to open.

    `recipient_key` is a URI (`file:`, `env:`, `awskms:`, `vault:`, `pkcs11:`); `trusted_signers` are public keys or
    authorities' certificates, of whom `threshold` must have signed; with `trusted_cosigners` (ML-DSA-65) each signature
    needs one of theirs beside it. `allowed_domains` are ONNX operator domains beside ONNX's own.
    """

    recipient_key: str
    trusted_signers: tuple[Path, ...] = Field(min_length=1)
    threshold: int = Field(default=1, ge=1)
    trusted_cosigners: tuple[Path, ...] = ()
    allowed_domains: tuple[str, ...] = ()


class RuntimeSettings(Section):
    """Where models run. `require_device` is proved at load; a fallback is visible and never silent.

    `memory`: `shared` uses the one copy of the weights where it lies, for all workers; `fast` lets ONNX Runtime make a
    copy in each, arranged for its kernels (fp32 MatMul is up to twice as fast). `auto` is shared from 256 MiB on.
    """

    providers: tuple[Literal["cuda", "cpu"], ...] = Field(default=("cpu",), min_length=1)
    require_device: Literal["cuda", "cpu"] | None = None
    allow_fallback: bool = False
    device_id: int = Field(default=0, ge=0)
    intra_op_threads: int = Field(default=1, ge=0)
    memory: Literal["auto", "shared", "fast"] = "auto"


class IssuerSettings(Section):
    """An identity provider (OpenID Connect, or a Kubernetes cluster) whose tokens count.

    Its keys come from a file, from `jwks_url`, or from where its discovery document says. `*_claim` and `attributes`
    are JSON Pointers into the claims. Roles are given by what stands in `roles_claim`, by subject, or to all; what is
    not listed gives none.
    """

    issuer: str = Field(min_length=1)
    audiences: tuple[str, ...] = Field(min_length=1)
    jwks_file: Path | None = None
    jwks_url: str | None = None
    ca_file: Path | None = None
    token_file: Path | None = None
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "PS256", "ES256", "EdDSA", "Ed25519"), min_length=1)
    clock_skew_seconds: int = Field(default=60, ge=0, le=300)
    max_lifetime_seconds: int = Field(default=86_400, ge=60)
    refresh_seconds: float = Field(default=300.0, gt=0)
    ask_again_seconds: float = Field(default=10.0, gt=0)
    subject_claim: Pointer = "/sub"
    roles_claim: Pointer = "/roles"
    roles: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    subject_roles: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    default_roles: tuple[Name, ...] = ()
    attributes: dict[Name, Pointer] = Field(default_factory=dict)


class CertificateSettings(Section):
    """Callers known by a client certificate: of TLS itself, or forwarded by a proxy in `trusted_proxies`.

    `roles` lists, by the certificate's name, who may come at all.
    """

    subject: Literal["uri", "dns", "subject"] = "uri"
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    roles: dict[str, tuple[Name, ...]] = Field(min_length=1)


class IdentitySettings(Section):
    """The ways in which a caller may be known: API keys, tokens by issuer, client certificates.

    `api_keys` is where their hashes lie, `hash_key` the secret that keys the hash.
    """

    api_keys: Path | None = None
    hash_key: str | None = None
    issuers: dict[Name, IssuerSettings] = Field(default_factory=dict)
    certificates: CertificateSettings | None = None

    @model_validator(mode="after")
    def _names_a_way(self) -> IdentitySettings:
        if (self.api_keys is None) != (self.hash_key is None):
            raise ValueError("api_keys and hash_key go together")
        if self.api_keys is None and not self.issuers and self.certificates is None:
            raise ValueError("name a way to be known: api_keys with hash_key, issuers, or certificates")
        urls = [issuer.issuer for issuer in self.issuers.values()]
        if len(set(urls)) < len(urls):
            raise ValueError("two issuers have the same issuer URL")
        return self


class PolicySettings(Section):
    """Cedar: policies (a file, or a folder of `*.cedar`) and schema; entities and template links from JSON files.

    `shadow` are candidate policies: they decide on every request too, which is logged and counted, and not enforced.
    Changed files are taken over while the service runs; a broken change is refused, and the old policies stay.
    """

    policies: Path
    cedar_schema: Path
    entities: Path | None = None
    links: Path | None = None
    shadow: Path | None = None


class GrantSettings(Section):
    """Breaking the glass: grants in `directory`, signed by `threshold` of the trusted keys, for a listed reason."""

    directory: Path
    trusted_keys: tuple[Path, ...] = Field(min_length=1)
    threshold: int = Field(default=2, ge=2)
    reasons: tuple[Name, ...] = Field(min_length=1)
    max_minutes: int = Field(default=240, ge=1)


class StopSettings(Section):
    """The kill switch: a file that one of the trusted keys has signed, watched by every worker.

    `sign_with` is the key's URI for the command line, where it is kept on the same machine.
    """

    file: Path
    trusted_keys: tuple[Path, ...] = Field(min_length=1)
    sign_with: str | None = None


class LimitSettings(Section):
    """What each caller may do: `burst` calls at once, `rate_per_second` in the long run, so many at the same time, and
    so many requests and items (of all batches) a day in UTC."""

    rate_per_second: float | None = Field(default=None, gt=0)
    burst: int | None = Field(default=None, ge=1)
    concurrency: int | None = Field(default=None, ge=1)
    requests_per_day: int | None = Field(default=None, ge=1)
    items_per_day: int | None = Field(default=None, ge=1)


class LimitsSettings(LimitSettings):
    """Each caller's limits over everything, and at single models; and what this process takes on at all.

    `storage` is `memory` (each worker counts for itself) or a Redis URL (all replicas count together); when Redis is
    gone, `when_storage_fails` closes the service or lets each worker count for itself. `max_concurrent` requests are
    under way in one worker, `max_queue` wait for `max_wait_seconds` at most; all others get 503 at once.
    """

    rate_per_second: float | None = Field(default=1000.0, gt=0)
    burst: int | None = Field(default=2000, ge=1)
    max_callers: int = Field(default=100_000, ge=1)
    models: dict[Name, LimitSettings] = Field(default_factory=dict)
    storage: Annotated[str, Field(pattern=r"^(memory|rediss?://.+)$")] = "memory"
    when_storage_fails: Literal["closed", "local"] = "closed"
    max_concurrent: int = Field(default=256, ge=1)
    max_queue: int = Field(default=1024, ge=0)
    max_wait_seconds: float = Field(default=2.0, gt=0)


class AuditSettings(Section):
    """The log's folder, the checkpoint's key, and when an entry counts as written.

    `group`: on the disk (fdatasync, many entries at once); `process`: handed to the operating system,
    which outlives the process but not the machine. `origin` begins the logs' names in checkpoints and receipts, where
    replicas of one service keep a log each; it is the service's name otherwise.
    """

    directory: Path
    checkpoint_key: str
    origin: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,159}$")] | None = None
    durability: Literal["group", "process"] = "group"
    checkpoint_seconds: float = Field(default=1.0, gt=0)


class DriftSettings(Section):
    """How what models see is compared with what they were validated on.

    A window is the last `window_items` items, none older than `window_seconds`; nothing is said of fewer than
    `least_items`. `false_alarms` is how likely chance alone may raise anything of a model in one look. In `directory`
    lie the windows' counts, by which the workers of one machine know each other's, and which
    `bento-governance drift report` reads; without it each worker judges alone.
    """

    directory: Path | None = None
    window_items: int = Field(default=1000, ge=100, le=10_000_000)
    window_seconds: float = Field(default=86_400.0, ge=10)
    least_items: int = Field(default=200, ge=50)
    false_alarms: float = Field(default=0.001, gt=0, le=0.1)
    refresh_seconds: float = Field(default=2.0, ge=0.1, le=60)

    @model_validator(mode="after")
    def _can_be_filled(self) -> DriftSettings:
        if self.least_items > self.window_items * 0.9:
            raise ValueError("least_items is more than a window surely holds: nine tenths of window_items")
        return self


class MetricsSettings(Section):
    """Who may read `/metrics` without a credential: whose own address (the socket's, whatever a header says) is in one
    of these networks, and whose request was not forwarded by a proxy. All others need the policy's permit."""

    trusted_networks: tuple[IPvAnyNetwork, ...] = ()


class TracingSettings(Section):
    """Where traces go: an OTLP/HTTP collector's URL, such as `https://collector:4318/v1/traces`; without it, nowhere.

    Of requests whose caller says nothing about it, the share `sampling_ratio` is recorded; with `parent_based`, a
    caller's own `traceparent` decides for its requests. `headers` name where each field's value lies, by the URI of a
    key: `{authorization = "file:collector.token"}`. `queue` spans wait at most; what does not fit is dropped.
    """

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    sampling_ratio: float = Field(default=0.1, ge=0, le=1)
    parent_based: bool = True
    service_name: Name | None = None
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], str] = Field(default_factory=dict)
    ca_file: Path | None = None
    queue: int = Field(default=2048, ge=512)
    timeout_seconds: float = Field(default=5.0, gt=0)


class PrivacyField(Section):
    """One declared field: where it is, and what happens to it.

    `route` is a route's template, and `model` one of its models. The field is a `pointer` into the JSON body (RFC 6901,
    in which the segment `*` stands for every element of an array or every member of an object; or a JSONPath, RFC 9535,
    which begins with `$`), a parameter of the `query`, a field of a `form`, or a `tensor` of the Open Inference
    Protocol, or a `column` of its last axis (a number, or a name that the model's card gives it).

    A `query` or a `form` that is `*` is each one that no other field names.

    `operator` is one of docs/privacy.md; `text` looks for personal data in a query's or a form's free text, and changes
    it as the route's [[privacy.text]] says. `entity` is what the value is (`PERSON` becomes `<PERSON>`, and a
    surrogate a name), `data_class` what policies know such data as.
    """

    route: str
    model: Name | None = None
    pointer: PathText | None = None
    query: str | None = None
    form: str | None = None
    tensor: str | None = None
    column: int | str | None = None
    operator: Literal["text"] | OperatorText
    entity: str = Field(default=FIELD, pattern=r"^[A-Z_]{2,40}$")
    data_class: Name | None = None

    @model_validator(mode="after")
    def _one_place(self) -> PrivacyField:
        places = [name for name in ("pointer", "query", "form", "tensor") if getattr(self, name) is not None]
        if len(places) != 1 or (self.column is not None and self.tensor is None):
            raise ValueError("a field is in one place: a pointer, a query, a form, or a tensor with or without column")
        if self.pointer == "":
            raise ValueError("a pointer to the whole document is no field")
        if self.operator == FREE_TEXT and self.query is None and self.form is None:
            raise ValueError("the operator 'text' is for queries and forms; bodies and tensors have [[privacy.text]]")
        return self


class TextSettings(Section):
    """Free text of one route (and one of its models, if `model` names it): personal data in it is found and changed.

    It is looked for in the strings below `pointers` (all of them by default; JSONPath too), in all BYTES tensors, and
    with `replies` in answers too: below `reply_pointers`, or in all of a JSON answer's strings. `profile` names an
    operator for each entity, and for all others as `default` (see docs/privacy.md); `classes` what policies know an
    entity as; `tagger` finds persons, places, organisations and addresses too. `subject` points to whose data the body
    is, so that dates of one subject are shifted alike.
    """

    route: str
    model: Name | None = None
    pointers: tuple[PathText, ...] = ("",)
    tagger: bool = False
    threshold: float = Field(default=0.4, ge=0, le=1)
    profile: dict[str, OperatorText] = Field(default_factory=dict)
    classes: dict[str, Name] = Field(default_factory=dict)
    scope: ScopeText | None = None
    subject: PathText | None = None
    replies: bool = False
    reply_pointers: tuple[PathText, ...] = ()


class ImageSettings(Section):
    """Images of one route: metadata goes, orientation stays; faces are kept, blurred, or a reason to refuse.

    `form` names the form's fields that hold images; without it, each of the form's files that is one, and a body that
    is one. A picture of more than `max_pixels` is refused before it is decoded. `data_class` is what policies know a
    picture with a face as.
    """

    route: str
    form: tuple[str, ...] = ()
    faces: Literal["keep", "blur", "refuse"] = "keep"
    max_pixels: int = Field(default=50_000_000, ge=1, le=89_000_000)
    data_class: Name | None = None


class PrivacySettings(Section):
    """Declared fields, free text, images, and profiles: more fields, where a policy's `@anonymize` asks.

    `hash_key` is the secret of all operators that have a key. Values are equal under one `scope` alone; in it stand
    `{purpose}` for the request's purpose, `{caller}` for who asks, `{year}` and `{month}` for when. With `reveal`,
    `POST /governance/reveal` turns tokens back for those whom the policy permits the action `reveal`. `tagger` is a
    sealed artifact called `pii-tagger`, opened with the keys of [artifacts]; without it, the tagger that this package
    ships is used.
    """

    hash_key: str | None = None
    scope: ScopeText = ""
    reveal: bool = False
    tagger: Path | None = None
    fields: tuple[PrivacyField, ...] = ()
    text: tuple[TextSettings, ...] = ()
    images: tuple[ImageSettings, ...] = ()
    profiles: dict[Name, tuple[PrivacyField, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_text_section(self) -> PrivacySettings:
        seen = [(text.route, text.model) for text in self.text]
        if len(set(seen)) != len(seen):
            raise ValueError("a route's free text is described once, or once for each model")
        if len({image.route for image in self.images}) != len(self.images):
            raise ValueError("a route's images are described once")
        if self.reveal and self.hash_key is None:
            raise ValueError("reveal needs the hash_key that the tokens were made with")
        return self


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


class Settings(Section):
    """Everything. Built by `load_settings` alone, so that paths are absolute and the environment is in."""

    service: ServiceSettings
    models: dict[Name, ModelSettings] = Field(default_factory=dict)
    artifacts: ArtifactSettings | None = None
    runtime: RuntimeSettings = RuntimeSettings()
    identity: IdentitySettings | None = None
    policy: PolicySettings | None = None
    break_glass: GrantSettings | None = None
    stop: StopSettings | None = None
    limits: LimitsSettings = LimitsSettings()
    audit: AuditSettings | None = None
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    privacy: PrivacySettings = PrivacySettings()
    drift: DriftSettings = DriftSettings()
    routes: tuple[RouteSettings, ...] = ()


def load_settings(file: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read, override from the environment, validate, and make every path absolute.

    Args:
        file: a TOML file.
        environment: `GOVERNANCE_AUDIT__DIRECTORY=/var/audit` sets `directory` in `[audit]`;
            lists and tables are given as JSON.

    Raises:
        ConfigurationError: naming the file, the key and what is wrong with it.
    """
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the settings {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from error
    _override(raw, environment)
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {_sentence(error)}") from None
    absolute: Settings = _with_absolute_paths(settings, file.resolve().parent)
    return absolute


def _override(raw: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *sections, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if not sections:
            raise ConfigurationError(f"{name} names no section: write {ENVIRONMENT_PREFIX}<SECTION>__<KEY>")
        table = raw
        for section in sections:
            table = table.setdefault(_spelled(table, section), {})
            if not isinstance(table, dict):
                raise ConfigurationError(f"{name}: '{section}' is not a table in the settings")
        table[_spelled(table, key)] = _value(environment[name])


def _spelled(table: Mapping[str, Any], wanted: str) -> str:
    """Find the key as the file spells it: `digits_cnn` in the environment means `digits-cnn` in the file."""
    return next((key for key in table if key.lower().replace("-", "_") == wanted.replace("-", "_")), wanted)


def _value(text: str) -> Any:
    if text[:1] not in "[{":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _sentence(error: ValidationError) -> str:
    """Say where and what without repeating the value, which may be a secret."""
    return "; ".join(
        f"[{'.'.join(str(part) for part in detail['loc'])}] {detail['msg'].removesuffix('.')}"
        for detail in error.errors(include_input=False, include_url=False)
    )


def _with_absolute_paths(section: Any, root: Path) -> Any:
    if isinstance(section, BaseModel):
        changed = {name: _with_absolute_paths(getattr(section, name), root) for name in type(section).model_fields}
        return section.model_copy(update=changed)
    if isinstance(section, Path):
        return root / section
    if isinstance(section, str) and section.startswith(("file:", "vault:", "pkcs11:")):
        return _RELATIVE_FILE.sub(lambda found: f"{found[1]}file:{root}/", section)
    if isinstance(section, tuple):
        return tuple(_with_absolute_paths(item, root) for item in section)
    if isinstance(section, dict):
        return {key: _with_absolute_paths(item, root) for key, item in section.items()}
    return section
