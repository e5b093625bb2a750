"""DSSE envelopes: the test vector of the protocol, k of n signatures, and refusal of any change."""

import base64
import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import SignatureError
from governance.keys import generate_signing_key
from governance.keys.dsse import (
    add_signature,
    pre_authentication_encoding,
    sign_document,
    unverified_document,
    verify_document,
)

KIND = "application/vnd.test+json"
KEYS = [generate_signing_key(), generate_signing_key("ed25519"), generate_signing_key("ecdsa-p384")]
PUBLIC = [key.public_key for key in KEYS]
DOCUMENT = {"a": [1, "ü"], "b": None}
ENVELOPE = add_signature(sign_document(DOCUMENT, KIND, KEYS[0]), KIND, KEYS[1])


def test_dsse_encoding_equals_the_protocol():
    # https://github.com/secure-systems-lab/dsse/blob/master/protocol.md#test-vectors
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == expected


def test_dsse_threshold_two_of_three_passes():
    document, signers = verify_document(ENVELOPE, KIND, PUBLIC, 2)
    assert document == DOCUMENT == unverified_document(ENVELOPE, KIND)
    assert set(signers) == {PUBLIC[0].fingerprint, PUBLIC[1].fingerprint}


@pytest.mark.parametrize(("trusted", "threshold"), [(PUBLIC, 3), (PUBLIC[:1], 2), (PUBLIC[2:], 1), ([], 1)])
def test_dsse_too_few_trusted_signatures_are_refused(trusted, threshold):
    with pytest.raises(SignatureError, match="are required"):
        verify_document(ENVELOPE, KIND, trusted, threshold)


def test_dsse_one_key_counts_once():
    with pytest.raises(SignatureError, match="already"):
        add_signature(ENVELOPE, KIND, KEYS[0])
    envelope = json.loads(ENVELOPE)
    envelope["signatures"] = [envelope["signatures"][0]] * 2
    with pytest.raises(SignatureError, match="signed by 1"):
        verify_document(json.dumps(envelope).encode(), KIND, PUBLIC, 2)


def test_dsse_other_payload_type_or_payload_is_refused():
    with pytest.raises(SignatureError):
        verify_document(ENVELOPE, "application/other", PUBLIC)
    envelope = json.loads(ENVELOPE)
    for change in (
        {"payload": base64.b64encode(b'{"a":2}').decode()},
        {"payloadType": "application/other"},
        {"payload": "%"},
        {"signatures": {}},
        {"signatures": envelope["signatures"] * 9},
    ):
        with pytest.raises(SignatureError):
            verify_document(json.dumps({**envelope, **change}).encode(), KIND, PUBLIC)


@given(st.binary(max_size=300))
def test_dsse_invalid_envelope_is_refused(content):
    with pytest.raises(SignatureError):
        verify_document(content, KIND, PUBLIC)


@given(st.data())
@settings(max_examples=300)
def test_dsse_changed_byte_gives_the_same_document_or_a_refusal(data):
    position = data.draw(st.integers(0, len(ENVELOPE) - 1))
    changed = bytearray(ENVELOPE)
    changed[position] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(SignatureError):
        assert verify_document(bytes(changed), KIND, PUBLIC, 2)[0] == DOCUMENT
