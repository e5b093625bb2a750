"""The built-in plugins in one chain, with one request at a time."""

import base64
import json
from pathlib import Path

import pytest

from governance.access.callers.api_key_store import ApiKeyStore
from governance.audit.entry import decode_entry
from governance.audit.evidence import prove, verify_evidence
from governance.audit.receipt import Receipt
from governance.audit.verify import verify_log
from governance.contract.exchange import Exchange, Reply
from governance.contract.routes import RouteTable
from governance.errors import (
    BadRequestError,
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    NotReadyError,
    RateLimitedError,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
)
from governance.gate.pipeline import Pipeline
from governance.keys import generate_signing_key
from governance.keys.key_files import write_new
from governance.oip.routes import oip_routes
from governance.plugins.audit import AuditPlugin
from governance.plugins.identity import IdentityPlugin
from governance.plugins.limits import LimitsPlugin
from governance.plugins.policy import PolicyPlugin
from governance.plugins.privacy.plugin import PrivacyPlugin
from governance.settings import load_settings
from governance.testing import make_exchange

DIGITS = Path(__file__).parents[2] / "bentos/digits"
ROUTES = RouteTable(oip_routes(10_000))
JSON = (b"content-type", b"application/json")


class Chain:
    """The plugins of a service with test keys and callers; `call` sends one request through them."""

    def __init__(self, folder: Path):
        self.folder, self.key = folder, generate_signing_key("ed25519")
        write_new(folder / "checkpoint.key", self.key.to_pem(), mode=0o600)
        write_new(folder / "secret.key", base64.b64encode(b"s" * 32), mode=0o600)
        self.environment = {
            "GOVERNANCE_IDENTITY__API_KEYS": str(folder / "keys.json"),
            "GOVERNANCE_IDENTITY__HASH_KEY": f"file:{folder}/secret.key",
            "GOVERNANCE_PRIVACY__HASH_KEY": f"file:{folder}/secret.key",
            "GOVERNANCE_AUDIT__DIRECTORY": str(folder / "audit"),
            "GOVERNANCE_AUDIT__CHECKPOINT_KEY": f"file:{folder}/checkpoint.key",
            "GOVERNANCE_LIMITS__BURST": "50",
            "GOVERNANCE_LIMITS__RATE_PER_SECOND": "0.001",
        }
        self.settings = load_settings(DIGITS / "governance.toml", self.environment)
        store = ApiKeyStore(folder / "keys.json", b"s" * 32)
        self.token, _ = store.create("demo", ("classifier",), lifetime_seconds=None)
        kinds = (AuditPlugin, IdentityPlugin, LimitsPlugin, PolicyPlugin, PrivacyPlugin)
        self.pipeline = Pipeline([kind(self.settings) for kind in kinds])
        self.reached: list[Exchange] = []

    def exchange(self, body=b"{}", path="/v2/models/digits-cnn/infer", method="POST", token=None, headers=()):
        match = ROUTES.match(method, path)

        bearer = (b"authorization", f"Bearer {token or self.token}".encode())
        return make_exchange(
            method,
            path,
            route=match.route,
            body=body,
            headers=[bearer, *headers],
            model=match.model,
            version=match.version,
        )

    async def call(self, **changes):
        exchange = self.exchange(**changes)

        async def terminal(reached):
            self.reached.append(reached)
            return Reply(200, (), (b"answer to ", await reached.read_body() if reached.route.content_types else b""))

        try:
            return exchange, await self.pipeline.around(terminal)(exchange)
        except Exception as error:
            error.exchange = exchange
            raise

    def entries(self):
        lines = (self.folder / "audit/worker-0/entries.jsonl").read_bytes().splitlines()
        return [decode_entry(line) for line in lines]

    def requests(self):
        return [entry for entry in self.entries() if entry.outcome != "event"]


@pytest.fixture
async def chain(tmp_path):
    made = Chain(tmp_path)
    await made.pipeline.open()
    yield made
    failed = made.pipeline.plugins[0]._log.is_shut
    await made.pipeline.close()
    assert failed or verify_log(tmp_path / "audit/worker-0", made.key.public_key).uncovered == 0


async def test_chain_reply_has_a_receipt_that_proves_it(chain):
    exchange, reply = await chain.call(body=b'{"a":1}', headers=[JSON])
    receipt = Receipt.from_text(dict(exchange.reply_headers)[b"governance-receipt"].decode())
    entry = chain.entries()[receipt.index]
    assert (entry.caller, entry.outcome, entry.model, entry.status) == ("demo", "answered", "digits-cnn", 200)
    assert entry.policies == ["classifiers-use-digit-models"]
    await chain.pipeline.plugins[0].close()
    evidence = json.loads(json.dumps(prove(chain.folder / "audit", receipt)))
    await chain.pipeline.plugins[0].open()
    proved = verify_evidence(evidence, chain.key.public_key, request=b'{"a":1}', reply=b"".join(reply.body))
    assert proved == entry


REFUSED = [
    ({"token": "x"}, UnauthenticatedError, "unauthenticated"),
    ({"headers": [(b"governance-purpose", b"advertising")]}, ForbiddenError, "forbidden"),
    ({"headers": [(b"governance-purpose", b'x" || true')]}, BadRequestError, "bad_request"),
    ({"headers": [(b"governance-purpose", b"a"), (b"governance-purpose", b"b")]}, BadRequestError, "bad_request"),
    ({"path": "/v2/models/other/infer"}, NotFoundError, "not_found"),
    ({"body": b'{"parameters":{"patient_id":', "headers": [JSON]}, BadRequestError, "bad_request"),
    ({"headers": [(b"content-type", b"multipart/form-data")]}, UnsupportedMediaTypeError, "unsupported_media_type"),
]


@pytest.mark.parametrize(("changes", "kind", "reason"), REFUSED)
async def test_chain_refusal_is_recorded_with_reason_and_reaches_no_model(chain, changes, kind, reason):
    with pytest.raises(kind) as refusal:
        await chain.call(**changes)
    (entry,) = chain.requests()
    assert (entry.outcome, entry.reason) == ("refused", reason)
    assert dict(refusal.value.exchange.reply_headers)[b"governance-receipt"]
    assert chain.reached == []


async def test_chain_denial_names_the_policy_in_the_audit_log_only(chain):
    with pytest.raises(ForbiddenError) as refusal:
        await chain.call(headers=[(b"governance-purpose", b"advertising")])
    assert "nobody" not in str(refusal.value)
    assert chain.requests()[0].policies == ["no-advertising"]


async def test_chain_body_of_unauthenticated_caller_is_not_read(chain):
    with pytest.raises(UnauthenticatedError) as refusal:
        await chain.call(token="x", body=b"secret")
    assert refusal.value.exchange.received_body is None


async def test_chain_declared_fields_reach_neither_model_nor_audit_log(chain):
    body = json.dumps({"parameters": {"patient_name": "Zacharias", "patient_id": "P-4711"}, "inputs": []}).encode()
    exchange, _ = await chain.call(body=body, headers=[JSON])
    assert b"Zacharias" not in exchange.body
    assert b"P-4711" not in exchange.body
    assert chain.requests()[0].redactions == {"drop": 1, "hash": 1}
    for file in (chain.folder / "audit").rglob("*"):
        assert file.is_dir() or b"Zacharias" not in file.read_bytes()


@pytest.mark.parametrize("path", ["/v2/models/digits-cnn/infer", "/v2/models/digits-cnn/versions/1/infer"])
async def test_chain_binary_request_cannot_hide_a_declared_field(chain, path):
    head = json.dumps({"parameters": {"patient_name": "Zacharias"}, "inputs": []}).encode()
    length = (b"inference-header-content-length", str(len(head)).encode())
    exchange, _ = await chain.call(body=head + b"\x00\x01\xff", headers=[length], path=path)
    assert b"Zacharias" not in exchange.body
    assert exchange.body.endswith(b"\x00\x01\xff")
    assert int(exchange.header(b"inference-header-content-length")) == len(exchange.body) - 3


async def test_chain_caller_over_the_rate_limit_is_refused(chain):
    for _ in range(50):
        await chain.call(headers=[JSON])
    with pytest.raises(RateLimitedError):
        await chain.call(headers=[JSON])
    assert chain.entries()[-1].reason == "rate_limited"


async def test_chain_unexpected_error_is_recorded(chain):
    async def failing(exchange):
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await chain.pipeline.around(failing)(chain.exchange(headers=[JSON]))
    assert (chain.requests()[0].outcome, chain.requests()[0].reason) == ("failed", "internal")


async def test_chain_audit_log_that_cannot_be_written_stops_the_reply(chain):
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert (await chain.call(method="GET", path=path))[1].status == 200
    chain.pipeline.plugins[0]._log._entries.close()
    chain.pipeline.plugins[0]._log._entries = open("/dev/full", "ab", buffering=0)  # noqa: ASYNC230, SIM115
    with pytest.raises(NotReadyError, match="audit log"):
        await chain.call(headers=[JSON])
    with pytest.raises(NotReadyError, match="audit log"):
        await chain.call(headers=[JSON])
    # Alive but not ready, so that the load balancer uses other replicas.
    assert (await chain.call(method="GET", path="/v2/health/live"))[1].status == 200
    with pytest.raises(NotReadyError, match="audit log"):
        await chain.call(method="GET", path="/v2/health/ready")
    chain.pipeline.plugins[0]._log._entries.close()


@pytest.mark.parametrize("section", ["identity", "policy", "audit"])
def test_chain_plugin_without_its_settings_section_is_refused(tmp_path, section):
    made = Chain(tmp_path)
    kinds = {"identity": IdentityPlugin, "policy": PolicyPlugin, "audit": AuditPlugin}
    with pytest.raises(ConfigurationError, match=section):
        kinds[section](made.settings.model_copy(update={section: None}))


def test_privacy_plugin_refuses_hash_operator_without_a_key(tmp_path):
    made = Chain(tmp_path)
    without = made.settings.privacy.model_copy(update={"hash_key": None})
    with pytest.raises(ConfigurationError, match="hash_key"):
        PrivacyPlugin(made.settings.model_copy(update={"privacy": without}))
