"""API keys: forged, unknown, expired and revoked ones are refused; the store holds only hashes."""

import json
import os

import pytest

from governance.access.callers.api_key_store import ApiKeyStore
from governance.access.callers.api_keys import ApiKeyVerifier
from governance.access.callers.authenticator import Credentials, bearer_token
from governance.access.callers.caller import Caller
from governance.errors import ConfigurationError, NotReadyError, UnauthenticatedError


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    return ApiKeyStore(tmp_path / "keys.json", b"h" * 32, clock=clock)


@pytest.fixture
def verifier(store, clock):
    return ApiKeyVerifier(store, monotonic=clock)


def other_process(store, clock):
    return ApiKeyStore(store.file, b"h" * 32, clock=clock)


def test_api_key_names_its_caller_and_is_stored_nowhere(store, verifier, tmp_path):
    token, key = store.create("demo", ("classifier",), lifetime_seconds=None)
    assert verifier.verify_token(token) == Caller("demo", ("classifier",), key.key_id)
    content = (tmp_path / "keys.json").read_text()
    assert token not in content
    assert token.split("_", 2)[2] not in content
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_api_key_forged_is_refused_with_one_sentence(store, verifier):
    token, key = store.create("demo", (), lifetime_seconds=None)
    other, _ = store.create("other", (), lifetime_seconds=None)
    swapped = f"bgk_{key.key_id}_{other[-43:]}"
    sentences = set()
    for forged in (
        swapped,
        token[:-1],
        token + "x",
        token.upper(),
        "x",
        "bgk__",
        token + "\n",
        f"bgk_{'A' * 12}_{'A' * 43}",
        "ü",
    ):
        with pytest.raises(UnauthenticatedError) as refusal:
            verifier.verify_token(forged)
        sentences.add(str(refusal.value))
    assert len(sentences) == 1


def test_api_key_store_with_another_hash_key_accepts_no_key(store, clock):
    token, _ = store.create("demo", (), lifetime_seconds=None)
    with pytest.raises(UnauthenticatedError):
        ApiKeyVerifier(ApiKeyStore(store.file, b"x" * 32, clock=clock), monotonic=clock).verify_token(token)


def test_api_key_expires_exactly_at_its_time(store, verifier, clock):
    token, _ = store.create("demo", (), lifetime_seconds=10)
    clock.now += 9.9
    verifier.verify_token(token)
    clock.now += 0.1
    with pytest.raises(UnauthenticatedError, match="expired"):
        verifier.verify_token(token)


def test_api_key_revoked_in_another_process_is_refused_without_a_restart(store, verifier, clock):
    token, key = store.create("demo", (), lifetime_seconds=None)
    verifier.verify_token(token)
    other_process(store, clock).revoke(key.key_id)
    clock.now += 1
    with pytest.raises(UnauthenticatedError, match="revoked"):
        verifier.verify_token(token)
    assert store.keys()[0].revoked


def test_api_key_created_in_another_process_works_without_a_restart(store, verifier, clock):
    with pytest.raises(UnauthenticatedError):
        verifier.verify_token("x")
    token, _ = other_process(store, clock).create("new", (), lifetime_seconds=None)
    clock.now += 1
    assert verifier.verify_token(token).id == "new"


def test_api_key_store_that_is_damaged_admits_no_caller_and_logs_it(store, verifier, clock, tmp_path):
    token, _ = store.create("demo", (), lifetime_seconds=None)
    verifier.verify_token(token)
    good = (tmp_path / "keys.json").read_text()
    for broken in ("{", "[]", json.dumps({"version": 2, "keys": []}), good.replace('"roles"', '"rolls"')):
        (tmp_path / "keys.json").write_text(broken)
        clock.now += 1
        with pytest.raises(NotReadyError):
            verifier.verify_token(token)
    (tmp_path / "keys.json").write_text(good)
    clock.now += 1
    assert verifier.verify_token(token).id == "demo"


def test_api_key_store_that_is_removed_admits_no_caller(store, verifier, clock, tmp_path):
    token, _ = store.create("demo", (), lifetime_seconds=None)
    verifier.verify_token(token)
    (tmp_path / "keys.json").unlink()
    clock.now += 1
    with pytest.raises(UnauthenticatedError):
        verifier.verify_token(token)


def test_api_key_store_readable_by_others_is_refused(store, tmp_path):
    store.create("demo", (), lifetime_seconds=None)
    os.chmod(tmp_path / "keys.json", 0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        store.load()


def test_api_key_cache_does_not_grow_with_unknown_keys(store, verifier):
    store.create("demo", (), lifetime_seconds=None)
    for number in range(2000):
        with pytest.raises(UnauthenticatedError):
            verifier.verify_token(f"bgk_{number:012d}_{'A' * 43}")
    assert len(verifier._memo) == 0


@pytest.mark.parametrize("name", ["", "a b", 'x"; permit', "-x", "a" * 65, "ü", "a\nb"])
def test_api_key_create_refuses_unsafe_caller_and_role_names(store, name):
    with pytest.raises(ConfigurationError):
        store.create(name, (), lifetime_seconds=None)
    with pytest.raises(ConfigurationError):
        store.create("demo", (name,), lifetime_seconds=None)


def test_api_key_rotate_keeps_the_old_key_for_the_overlap(store, verifier, clock):
    old, key = store.create("demo", ("classifier",), lifetime_seconds=None)
    new, successor, _ = store.rotate(key.key_id, overlap_seconds=100, lifetime_seconds=1000)
    assert verifier.verify_token(old).id == verifier.verify_token(new).id == "demo"
    assert verifier.verify_token(new).roles == ("classifier",)
    clock.now += 100
    with pytest.raises(UnauthenticatedError, match="expired"):
        verifier.verify_token(old)
    assert verifier.verify_token(new).key_id == successor.key_id


def test_api_key_rotate_never_extends_the_old_key(store, clock):
    _, key = store.create("demo", (), lifetime_seconds=50)
    _, _, old = store.rotate(key.key_id, overlap_seconds=100, lifetime_seconds=None)
    assert old.expires == key.expires
    clock.now += 60
    with pytest.raises(ConfigurationError, match="not valid any more"):
        store.rotate(key.key_id, overlap_seconds=100, lifetime_seconds=None)


def test_api_key_last_use_is_shared_by_all_workers(store, verifier, clock):
    token, key = store.create("demo", (), lifetime_seconds=None)
    other_token, other_key = store.create("other", (), lifetime_seconds=None)
    second_store = other_process(store, clock)
    second = ApiKeyVerifier(second_store, monotonic=clock)
    verifier.identify(Credentials(token, None, ""))
    clock.now += 86_400
    second.identify(Credentials(token, None, ""))
    second.identify(Credentials(other_token, None, ""))
    second_store.last_used.flush()
    store.last_used.flush()
    days = store.last_used.read()
    assert str(days[key.key_id]) == str(days[other_key.key_id]) == "1970-01-13"


def test_api_key_verifier_ignores_other_credentials(verifier):
    assert verifier.identify(Credentials("a.b.c", None, "")) is None
    assert verifier.identify(Credentials(None, None, "")) is None


@pytest.mark.parametrize("field", ["", "Bearer", "Bearer ", "Basic abc", "bearer" + "x", "Bearer " + "x" * 20_000])
def test_bearer_token_refuses_other_authorization_headers(field):
    with pytest.raises(UnauthenticatedError):
        bearer_token(field)


def test_bearer_token_is_none_without_authorization_header():
    assert bearer_token(None) is None


def test_bearer_token_scheme_is_case_insensitive():
    assert bearer_token("bEaReR abc") == "abc"


def test_api_key_id_never_begins_with_a_dash(store, verifier):
    token, key = store.create("demo", ("classifier",), lifetime_seconds=None, random=lambda size: b"\xfb" * size)
    assert not key.key_id.startswith("-") and verifier.verify_token(token).key_id == key.key_id
