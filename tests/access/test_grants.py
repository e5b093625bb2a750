"""Break-glass grants: signed by two keys, with a listed reason, limited in time, caller, actions and models."""

import pytest

from governance.access.grants import PAYLOAD_TYPE, Grant, GrantFolder, GrantRules
from governance.errors import SignatureError
from governance.keys import generate_signing_key
from governance.keys.dsse import add_signature, sign_document

KEYS = [generate_signing_key() for _ in range(3)]
RULES = GrantRules("s", tuple(key.public_key for key in KEYS), 2, frozenset({"resuscitation"}), 3600)
NOW = 1_800_000_000
GRANT = Grant("g1", "s", "ada", ("infer",), ("m",), "resuscitation", NOW, NOW + 600)


def signed(grant=GRANT, keys=KEYS[:2], **changes):
    content = sign_document({**grant.to_document(), **changes}, PAYLOAD_TYPE, keys[0])
    for key in keys[1:]:
        content = add_signature(content, PAYLOAD_TYPE, key)
    return content


class Clock:
    now = float(NOW)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path, clock):
    return GrantFolder(tmp_path, RULES, clock)


def test_grant_is_valid_for_its_caller_action_model_and_time(folder, tmp_path, clock):
    (tmp_path / "a.grant").write_bytes(signed())
    came, went, refused = folder.reload()
    assert (list(came), list(went), list(refused)) == ([GRANT], [], [])
    assert folder.find("ada", "infer", "m") == GRANT
    for other in (("bob", "infer", "m"), ("ada", "explain", "m"), ("ada", "infer", "n"), ("ada", "infer", None)):
        assert folder.find(*other) is None
    clock.now = NOW + 599
    assert folder.find("ada", "infer", "m")
    clock.now = NOW + 600
    assert folder.find("ada", "infer", "m") is None
    clock.now = NOW - 61
    assert folder.find("ada", "infer", "m") is None


def test_grant_ends_when_its_file_is_removed(folder, tmp_path):
    (tmp_path / "a.grant").write_bytes(signed())
    folder.reload()
    (tmp_path / "a.grant").unlink()
    assert list(folder.reload()[1]) == [GRANT]
    assert folder.find("ada", "infer", "m") is None


def test_grant_star_means_every_model(folder, tmp_path):
    (tmp_path / "a.grant").write_bytes(signed(models=["*"]))
    folder.reload()
    assert folder.find("ada", "infer", "n")


BAD = {
    "one signature": lambda: signed(keys=KEYS[:1]),
    "a stranger's second signature": lambda: signed(keys=[KEYS[0], generate_signing_key()]),
    "for too long": lambda: signed(ends=NOW + 3601),
    "for no time": lambda: signed(ends=NOW),
    "for a reason that is not listed": lambda: signed(reason="curiosity"),
    "with more than a grant has": lambda: signed(also=1),
    "without a caller": lambda: signed(caller=""),
    "for every action": lambda: signed(actions="infer"),
    "for no model": lambda: signed(models=[]),
    "with a time that is text": lambda: signed(begins="0"),
    "nothing": lambda: b"",
    "garbage": lambda: b"\xff" * 100,
    "a list": lambda: sign_document([], PAYLOAD_TYPE, KEYS[0]),
    "too much": lambda: signed() + b" " * 70_000,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_grant_that_is_invalid_is_refused_and_named(folder, tmp_path, content):
    (tmp_path / "bad.grant").write_bytes(content())
    assert list(folder.reload()[2]) == ["bad.grant"]
    assert folder.find("ada", "infer", "m") is None


def test_grant_that_was_changed_is_refused(folder, tmp_path):
    (tmp_path / "a.grant").write_bytes(signed())
    folder.reload()
    (tmp_path / "a.grant").write_bytes(signed(keys=KEYS[:1]))
    assert list(folder.reload()[2]) == ["a.grant"]
    assert folder.find("ada", "infer", "m") is None


def test_grant_with_wrong_reason_is_a_signature_error():
    with pytest.raises(SignatureError, match="reason"):
        RULES.verify(signed(reason="x"))


def test_grant_for_another_service_is_refused():
    with pytest.raises(SignatureError, match="not for the service 's'"):
        RULES.verify(signed(service="staging"))
