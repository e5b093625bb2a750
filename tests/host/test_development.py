"""Development: production refuses its keys wherever a setting names them, and its service answers this machine only."""

import json

import pytest

from governance.errors import ConfigurationError
from governance.host.development import LocalOnly, verify_keys_fit
from governance.keys.development import MARKER, marked
from governance.settings import load_settings

SETTINGS = """
[service]
name = "s"
[models.m]
artifact = "m.sealed"
[artifacts]
recipient_key = "file:keys/recipient.key"
trusted_signers = ["keys/a.pub", "keys/signing.key.pub"]
[identity]
api_keys = "api-keys.json"
hash_key = "file:keys/hash.key?passphrase=file:keys/phrase"
[audit]
directory = "audit"
checkpoint_key = "env:CHECKPOINT"
[plugins.other]
key = "file:keys/other.key"
"""
PLACES = {
    "keys/recipient.key": r"\[artifacts\] recipient_key",
    "keys/signing.key.pub": r"\[artifacts\] trusted_signers",
    "keys/hash.key": r"\[identity\] hash_key",
    "keys/phrase": r"\[identity\] hash_key",
    "keys/other.key": r"\[plugins.other\] key",
    "m.sealed": r"\[models.m\] artifact",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "governance.toml").write_text(SETTINGS)
    for name in PLACES:
        (tmp_path / name).write_bytes(b"a key of one's own")
    return tmp_path


def settings_of(folder, **environment):
    return load_settings(folder / "governance.toml", environment)


@pytest.mark.parametrize(("name", "said"), PLACES.items())
def test_production_refuses_a_key_for_development_wherever_it_is_named(folder, name, said):
    verify_keys_fit(settings_of(folder), {})
    (folder / name).write_bytes(marked(b"a key"))
    with pytest.raises(ConfigurationError, match=f"{said} is a key for development.*create"):
        verify_keys_fit(settings_of(folder), {})
    verify_keys_fit(settings_of(folder, GOVERNANCE_SERVICE__DEVELOPMENT="true"), {})


def test_production_refuses_a_key_for_development_in_a_variable(folder):
    verify_keys_fit(settings_of(folder), {"CHECKPOINT": "a key of one's own"})
    with pytest.raises(ConfigurationError, match=r"\[audit\] checkpoint_key is a key for development"):
        verify_keys_fit(settings_of(folder), {"CHECKPOINT": f"{MARKER.decode()}a key"})


async def status_of(client, headers=(), path="/predict"):
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "client": client, "headers": list(headers), "path": path}
    await LocalOnly(app)(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("client", "status"),
    [
        (("127.0.0.1", 5), 200),
        (("127.8.0.1", 5), 200),
        (("::1", 5), 200),
        (("::ffff:127.0.0.1", 5), 200),
        (("10.0.0.7", 5), 403),
        (("::ffff:10.0.0.7", 5), 403),
        (("169.254.1.1", 5), 403),
        (("localhost.example.org", 5), 403),
        (("", 0), 403),
        (None, 403),
    ],
)
async def test_development_answers_only_callers_on_this_machine(client, status):
    assert (await status_of(client))[0]["status"] == status


async def test_development_says_why_it_refuses_in_the_form_of_the_route():
    for path, key in (("/predict", "detail"), ("/v2/models/m", "error")):
        body = b"".join(message.get("body", b"") for message in await status_of(("10.0.0.7", 5), path=path))
        assert "development" in json.loads(body)[key]
