"""The identity plugin with a real OpenID provider: its tokens are accepted, forged ones are refused, an outage is 503."""

import asyncio
import base64
import json
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from governance.access.callers.caller import Caller
from governance.contract.exchange import Connection, Reply
from governance.contract.routes import Route
from governance.errors import ConfigurationError, NotReadyError, UnauthenticatedError
from governance.plugins.identity import IdentityPlugin
from governance.settings import Settings
from governance.testing import answers, free_port, make_exchange, running

ROUTE = Route("GET", "/x", "metadata", "bentoml")
CLIENT, SECRET = "robot", "a-secret-of-the-test"


class Provider:
    """The OpenID provider nanoidp in a separate process."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {
            "config_version": 1,
            "server": {"host": "127.0.0.1", "port": self.port},
            "oauth": {
                "issuer": self.url,
                "audience": "bento",
                "token_expiry_minutes": 5,
                "clients": [{"client_id": CLIENT, "client_secret": SECRET}],
            },
        }
        users = {
            "config_version": 1,
            "users": {"ada": {"password": "pw", "email": "a@example.org", "roles": ["doctors"]}},
        }
        (folder / "settings.yaml").write_text(json.dumps(settings))
        (folder / "users.yaml").write_text(json.dumps(users))
        self.process = None

    def start(self):
        command = [
            sys.executable,
            "-m",
            "nanoidp",
            "--config",
            str(self.folder),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        self.process = ExitStack()
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        ready = partial(answers, f"{self.url}/.well-known/openid-configuration")
        self.process.enter_context(running(command, ready, cwd=self.folder, environment=environment))
        return self

    def stop(self):
        self.process.close()

    def key_set(self):
        return httpx.get(f"{self.url}/.well-known/jwks.json").content

    def token(self, **form):
        form = {"grant_type": "password", "username": "ada", "password": "pw", "scope": "openid", **form}
        answer = httpx.post(f"{self.url}/token", data=form, auth=(CLIENT, SECRET))
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = Provider(tmp_path_factory.mktemp("idp")).start()
    yield provider
    provider.stop()


def plugin(**issuer):
    section = {"audiences": ["bento"], "roles": {"doctors": ["classifier"]}, "ask_again_seconds": 0.2, **issuer}
    return IdentityPlugin(
        Settings.model_validate({"service": {"name": "s"}, "identity": {"issuers": {"corp": section}}})
    )


async def ask(plugin, *headers, peer=""):
    exchange = make_exchange("GET", "/x", route=ROUTE, headers=list(headers), connection=lambda: Connection(peer, None))

    async def proceed(exchange):
        return Reply(200, (), ())

    await plugin.handle(exchange, proceed)
    return exchange.require(Caller)


def bearer(token):
    return (b"authorization", f"Bearer {token}".encode())


@pytest.mark.needs("nanoidp")
async def test_identity_accepts_user_and_service_tokens_of_the_provider(provider):
    here = plugin(issuer=provider.url)
    await here.open()
    try:
        person = await ask(here, bearer(provider.token()))
        assert person.id.startswith("corp:") and person.roles == ("classifier",)
        robot = await ask(here, bearer(provider.token(grant_type="client_credentials")))
        assert robot.id != person.id and robot.roles == ()
    finally:
        await here.close()


@pytest.mark.needs("nanoidp")
async def test_identity_refuses_forged_and_foreign_tokens(provider):
    here, elsewhere = plugin(issuer=provider.url), plugin(issuer=provider.url, audiences=["other"])
    await here.open()
    await elsewhere.open()
    try:
        token = provider.token()
        head, payload, signature = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        claims["roles"] = ["doctors", "admins"]
        changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        for forged in (
            f"{head}.{changed}.{signature}",
            f"{head}.{payload}.",
            f"{head}.{payload}.{signature[:-4]}AAAA",
            "a.b.c",
        ):
            with pytest.raises(UnauthenticatedError):
                await ask(here, bearer(forged))
        with pytest.raises(UnauthenticatedError, match="audience"):
            await ask(elsewhere, bearer(token))
        with pytest.raises(UnauthenticatedError, match="one Authorization"):
            await ask(here, bearer(token), bearer(token))
        with pytest.raises(UnauthenticatedError, match="Authorization: Bearer"):
            await ask(here)
    finally:
        await here.close()
        await elsewhere.close()


@pytest.mark.needs("nanoidp")
async def test_identity_without_provider_accepts_known_keys_and_is_not_ready_for_others(tmp_path):
    provider = Provider(tmp_path).start()
    here, late = plugin(issuer=provider.url), plugin(issuer=provider.url)
    await here.open()
    token = provider.token()
    before = await ask(here, bearer(token))
    provider.stop()
    await late.open()
    try:
        assert await ask(here, bearer(token)) == before
        with pytest.raises(NotReadyError):
            await ask(late, bearer(token))
        await asyncio.sleep(0.3)
        unknown = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"new"}').rstrip(b"=").decode()
        with pytest.raises(NotReadyError):
            await ask(here, bearer(f"{unknown}.{token.split('.')[1]}.AAAA"))
        assert await ask(here, bearer(token)) == before
        provider.start()
        await asyncio.sleep(0.3)
        with pytest.raises(UnauthenticatedError):
            await ask(here, bearer(f"{unknown}.{token.split('.')[1]}.AAAA"))
        await asyncio.sleep(0.3)
        # The provider has new keys or the old ones: both work after the next download.
        assert (await ask(late, bearer(provider.token()))).roles == ("classifier",)
    finally:
        await here.close()
        await late.close()
        provider.stop()


@pytest.mark.needs("nanoidp")
async def test_identity_with_jwks_file_needs_no_provider(provider, tmp_path):
    (tmp_path / "jwks.json").write_bytes(provider.key_set())
    here = plugin(issuer=provider.url, jwks_file=tmp_path / "jwks.json")
    await here.open()
    try:
        assert (await ask(here, bearer(provider.token()))).roles == ("classifier",)
    finally:
        await here.close()


async def test_identity_accepts_forwarded_certificate_from_trusted_proxy_only():
    settings = {
        "service": {"name": "s"},
        "identity": {"certificates": {"trusted_proxies": ["10.0.0.0/8"], "roles": {"spiffe://web": ["classifier"]}}},
    }
    here = IdentityPlugin(Settings.model_validate(settings))
    await here.open()
    field = (b"x-forwarded-client-cert", b"Hash=" + b"ab" * 32 + b";URI=spiffe://web")
    assert (await ask(here, field, peer="10.0.0.1")).id == "certificate:spiffe://web"
    for fields in ([field], [field, (b"x-forwarded-for", b"10.0.0.1")]):
        with pytest.raises(UnauthenticatedError):
            await ask(here, *fields, peer="127.0.0.1")
    await here.close()


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"api_keys": "x"},
        {"issuers": {"corp": {"issuer": "https://x", "audiences": []}}},
        {"issuers": {"corp": {"issuer": "https://x", "audiences": ["b"], "algorithms": ["HS256"]}}},
        {"issuers": {"corp": {"issuer": "https://x", "audiences": ["b"], "algorithms": ["none"]}}},
        {
            "issuers": {
                "a": {"issuer": "https://x", "audiences": ["b"]},
                "c": {"issuer": "https://x", "audiences": ["b"]},
            }
        },
        {"certificates": {"roles": {}}},
    ],
)
def test_identity_settings_that_admit_no_caller_or_every_caller_are_refused(section):
    with pytest.raises(ValueError, match="identity"):
        Settings.model_validate({"service": {"name": "s"}, "identity": section})


async def test_identity_issuer_without_https_stops_the_start():
    with pytest.raises(ConfigurationError, match="https"):
        await plugin(issuer="http://login.example").open()
