"""The policy plugin: purposes, obligations, data classes, shadow policies, reload of files and break-glass grants."""

import asyncio
import json
import time

import numpy as np
import pytest

from governance.access.callers.caller import Caller
from governance.access.grants import PAYLOAD_TYPE, Grant
from governance.access.policies.verdict import Decision
from governance.contract.exchange import Reply
from governance.contract.models import ModelLoad
from governance.contract.outputs import permitted_outputs
from governance.contract.plugin import Plugin
from governance.contract.routes import Route
from governance.errors import ConfigurationError, ForbiddenError, NotFoundError, PurposeError
from governance.gate.pipeline import Pipeline
from governance.keys import generate_signing_key
from governance.keys.dsse import add_signature, sign_document
from governance.keys.key_files import write_new
from governance.plugins.policy import PolicyPlugin
from governance.plugins.privacy.plugin import PrivacyPlugin
from governance.settings import Settings
from governance.testing import make_exchange

SCHEMA = """
entity Role; entity ModelGroup; entity Caller in [Role];
entity Model in [ModelGroup] { data_classification?: String };
entity Service;
type Call = { route: String, purpose?: String, data_classes?: Set<String>, emergency?: String };
action infer appliesTo { principal: [Caller], resource: [Model, Service], context: Call };
action metadata appliesTo { principal: [Caller], resource: [Model, Service], context: Call };
"""
INFER = Route(
    "POST", "/ask", "infer", "bentoml", model="m", content_types=frozenset({"application/json"}), max_body_bytes=1000
)
READ = Route("GET", "/read", "metadata", "bentoml", model="m")
ALL = '@id("all") permit (principal, action, resource);'
KEYS = [generate_signing_key() for _ in range(2)]


class Service:
    """A plugin chain over a folder of policies."""

    def __init__(self, folder, text, plugins_behind=None, **sections):
        self.folder = folder
        (folder / "p.cedar").write_text(text)
        (folder / "s.cedarschema").write_text(SCHEMA)
        policy = {
            "policies": folder / "p.cedar",
            "cedar_schema": folder / "s.cedarschema",
            **sections.pop("policy", {}),
        }
        base = {"service": {"name": "s"}, "models": {"m": {"artifact": "x", "groups": ["g"]}}, "policy": policy}
        self.settings = Settings.model_validate({**base, **sections})
        self.policy = PolicyPlugin(self.settings)
        behind = [PrivacyPlugin(self.settings)] if plugins_behind is None else plugins_behind
        self.pipeline = Pipeline([Identified(), self.policy, *behind, Watcher()])
        self.events = self.pipeline.plugins[-1].events

    async def ask(self, body=b"{}", route=INFER, run=True, headers=(), caller="ada"):
        headers = [(b"content-type", b"application/json"), (b"x-caller", caller.encode()), *headers]
        exchange = make_exchange(route.method, route.template, route=route, body=body, headers=headers)

        async def server(exchange):
            if run:
                outputs = permitted_outputs(exchange, {"y": np.array([[0.2, 0.8]], np.float32)}, 2)
                return Reply(200, (), (json.dumps(outputs["y"].tolist()).encode(),))
            return Reply(200, (), (await exchange.read_body(),))

        reply = await self.pipeline.around(server)(exchange)
        return exchange, b"".join(reply.body)

    def load_model(self, **card):
        self.policy.model_loaded(ModelLoad("m", "1", "cpu", True, False, 0.0, card))


class Identified(Plugin):
    name, provides = "identified", frozenset({Caller})

    async def handle(self, exchange, proceed):
        exchange.put(Caller(exchange.header(b"x-caller"), ("r",), "k"))
        return await proceed(exchange)


class Watcher(Plugin):
    name = "watcher"

    def __init__(self):
        self.events = []

    async def event_happened(self, event):
        self.events.append(event)


@pytest.fixture
async def start(tmp_path):
    opened = []

    async def start(text=ALL, **sections):
        service = Service(tmp_path, text, **sections)
        await service.pipeline.open()
        opened.append(service)
        return service

    yield start
    for service in opened:
        await service.pipeline.close()


def purpose(word):
    return [(b"governance-purpose", word.encode())]


async def test_policy_purpose_must_be_allowed_by_the_model_card(start):
    service = await start()
    await service.ask()
    service.load_model(intended_purposes=["treatment", "research"])
    await service.ask(headers=purpose("treatment"))
    await service.ask(route=READ, run=False, headers=purpose("advertising"))
    for word in ("advertising", "treatments"):
        with pytest.raises(PurposeError):
            await service.ask(headers=purpose(word))
    await service.ask()
    service.load_model(intended_purposes=["treatment"], purpose_required=True)
    with pytest.raises(PurposeError, match="Governance-Purpose"):
        await service.ask()


async def test_policy_sees_data_classification_of_the_model(start):
    service = await start(
        '@id("a") permit (principal, action, resource is Model) when { resource has data_classification && resource.data_classification == "public" };'
    )
    with pytest.raises(ForbiddenError):
        await service.ask()
    service.load_model(data_classification="public", attributes={"unknown": 1})
    await service.ask()


@pytest.mark.parametrize(
    "card",
    [
        {"intended_purposes": "x"},
        {"intended_purposes": [1]},
        {"purpose_required": True},
        {"attributes": []},
        {"attributes": {"a": 1.5}},
        {"data_classification": None},
    ],
)
async def test_policy_invalid_card_stops_the_start(start, card):
    from governance.errors import ManifestMismatchError

    service = await start()
    with pytest.raises(ManifestMismatchError, match=r"card\.json"):
        service.load_model(**card)


async def test_policy_output_obligation_limits_the_reply(start):
    service = await start('@id("a") @output("label") permit (principal, action, resource);')
    exchange, body = await service.ask()
    assert json.loads(body) == [[0, 1]]
    assert (b"governance-output", b"label") in exchange.reply_headers
    await service.ask(route=READ, run=False)


async def test_policy_reply_that_cannot_be_limited_is_refused(start):
    service = await start('@id("a") @output("label") permit (principal, action, resource);')
    with pytest.raises(ForbiddenError, match="cannot be limited"):
        await service.ask(run=False)


HEALTH = """
@id("all") permit (principal, action, resource);
@id("coarse") @output("label") permit (principal, action == Action::"infer", resource) when { context has data_classes && context.data_classes.contains("health") };
@id("no-id") forbid (principal, action == Action::"infer", resource) when { context has data_classes && context.data_classes.contains("identity") };
"""
FIELDS = [
    {"route": "/ask", "pointer": "/diagnosis", "operator": "mask", "data_class": "health"},
    {"route": "/ask", "pointer": "/ssn", "operator": "drop", "data_class": "identity"},
]


async def test_policy_decides_on_data_classes_found_in_the_request(start):
    service = await start(HEALTH, privacy={"fields": FIELDS})
    assert json.loads((await service.ask(b'{"age": 3}'))[1]) != [[0, 1]]
    exchange, body = await service.ask(b'{"diagnosis": "flu"}')
    assert json.loads(body) == [[0, 1]]
    assert exchange.require(Decision).verdict.policy_ids == ("all", "coarse")
    with pytest.raises(ForbiddenError, match="of this kind"):
        await service.ask(b'{"ssn": 1}')


async def test_policy_anonymize_obligation_is_applied(start):
    text = (
        '@id("a") @anonymize("strict") permit (principal, action, resource) when { context.route == "/ask" };'
        + ALL.replace("all", "b")
    )
    profile = [{"route": "/ask", "pointer": "/name", "operator": "drop"}]
    service = await start(text, privacy={"profiles": {"strict": profile}})
    _, body = await service.ask(b'{"name": "Ada", "x": 1}', run=False)
    assert json.loads(body) == {"x": 1}


async def test_policy_anonymize_profile_without_rule_for_the_route_refuses(start):
    service = await start(
        '@id("a") @anonymize("strict") permit (principal, action, resource);',
        privacy={"profiles": {"strict": [{"route": "/other", "pointer": "/x", "operator": "drop"}]}},
    )
    with pytest.raises(ForbiddenError, match="no rule for this route"):
        await service.ask(b'{"name": "Ada"}')


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({}, "does not have: .'strict'"),
        (
            {
                "privacy": {"profiles": {"strict": []}},
                "plugins_behind": [],
            },
            "no plugin behind 'policy' enforces it: put 'privacy' after 'policy'",
        ),
    ],
)
async def test_policy_obligation_that_no_plugin_enforces_stops_the_start(start, sections, says):
    with pytest.raises(ConfigurationError, match=says):
        await start('@id("a") @anonymize("strict") permit (principal, action, resource);', **sections)


async def test_policy_shadow_policies_decide_without_effect(start, tmp_path):
    (tmp_path / "new.cedar").write_text('@id("none") forbid (principal, action, resource);')
    service = await start(policy={"shadow": tmp_path / "new.cedar"})
    exchange, _ = await service.ask()
    decision = exchange.require(Decision)
    assert decision.verdict.allowed and not decision.shadow.allowed and decision.shadow.policy_ids == ("none",)


async def eventually(holds, seconds=5):
    for _ in range(seconds * 50):
        if await holds():
            return True
        await asyncio.sleep(0.02)
    return False


async def test_policy_reload_takes_valid_policies_and_keeps_old_ones_otherwise(start):
    service = await start()
    before = (await service.ask())[0].require(Decision).verdict.policy_digest

    async def refused():
        try:
            await service.ask()
        except ForbiddenError:
            return True
        return False

    (service.folder / "p.cedar").write_text('@id("none") forbid (principal, action, resource);')
    assert await eventually(refused)
    assert [(event.action, event.outcome) for event in service.events] == [("policy-reload", "done")]
    (service.folder / "p.cedar").write_text(ALL + " nonsense")

    async def announced():
        return len(service.events) == 2

    assert await eventually(announced)
    assert service.events[-1].outcome == "refused" and await refused()
    (service.folder / "p.cedar").unlink()
    await asyncio.sleep(0.8)
    assert await refused() and service.events[-1].outcome == "refused"
    (service.folder / "p.cedar").write_text(ALL)

    async def allowed():
        return not await refused()

    assert await eventually(allowed)
    assert (await service.ask())[0].require(Decision).verdict.policy_digest == before


GLASS = '@id("glass") permit (principal, action == Action::"infer", resource) when { context has emergency && context.emergency == "code-blue" };'


def break_glass(tmp_path):
    for number, key in enumerate(KEYS):
        if not (tmp_path / f"{number}.pub").exists():
            write_new(tmp_path / f"{number}.pub", key.public_key.pem, mode=0o644)
    (tmp_path / "grants").mkdir(exist_ok=True)
    return {
        "break_glass": {
            "directory": tmp_path / "grants",
            "trusted_keys": [tmp_path / "0.pub", tmp_path / "1.pub"],
            "reasons": ["code-blue", "other"],
        }
    }


def put_grant(tmp_path, reason="code-blue"):
    now = int(time.time())
    grant = Grant("g1", "s", "ada", ("infer",), ("m",), reason, now, now + 60)
    content = add_signature(sign_document(grant.to_document(), PAYLOAD_TYPE, KEYS[0]), PAYLOAD_TYPE, KEYS[1])
    (tmp_path / "grants/a.grant").write_bytes(content)


async def test_policy_break_glass_grant_permits_what_policies_allow_and_is_announced(start, tmp_path):
    service = await start(GLASS, **break_glass(tmp_path))
    with pytest.raises(ForbiddenError):
        await service.ask()
    put_grant(tmp_path)

    async def open_now():
        try:
            return (await service.ask())[0].require(Decision).grant == "g1"
        except ForbiddenError:
            return False

    assert await eventually(open_now)
    with pytest.raises(ForbiddenError):
        await service.ask(caller="bob")
    assert [(event.action, event.outcome, event.subject) for event in service.events] == [("break-glass", "done", "g1")]
    (tmp_path / "grants/a.grant").unlink()

    async def closed_again():
        return not await open_now()

    assert await eventually(closed_again)


async def test_policy_break_glass_reason_without_policy_permits_nothing(start, tmp_path):
    sections = break_glass(tmp_path)
    put_grant(tmp_path, "other")
    service = await start(GLASS, **sections)
    with pytest.raises(ForbiddenError):
        await service.ask()


async def test_policy_break_glass_without_emergency_in_the_schema_stops_the_start(start, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.plugins.test_policy.SCHEMA", SCHEMA.replace(", emergency?: String", ""))
    with pytest.raises(ConfigurationError, match="emergency"):
        await start(ALL, **break_glass(tmp_path))


async def test_policy_unknown_model_is_404(start):
    service = await start()
    with pytest.raises(NotFoundError):
        await service.ask(route=Route("GET", "/read", "metadata", "bentoml", model="other"))
