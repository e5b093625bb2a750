"""OpenSSF Model Signing: the public bundles are taken or refused as they say."""

import json

import pytest

from governance.artifacts.signing import unverified_hint, verify_statement
from governance.errors import SignatureError
from governance.keys import generate_signing_key


def test_a_valid_public_bundle_names_its_key_and_is_nobody_elses(vectors):
    bundle = json.loads((vectors / "oms/test-vectors/v1.0/valid/key.bundle.json").read_text())
    assert len(unverified_hint(bundle)) == 64
    with pytest.raises(SignatureError, match="another key"):
        verify_statement(bundle, generate_signing_key().public_key)


@pytest.mark.parametrize("name", ["missing-envelope", "missing-verification-material", "missing-tlog-entries"])
def test_invalid_public_bundles_are_refused(vectors, name):
    bundle = json.loads((vectors / f"oms/test-vectors/v1.0/invalid/{name}.bundle.json").read_text())
    with pytest.raises(SignatureError):
        verify_statement(bundle, generate_signing_key().public_key)


@pytest.mark.parametrize("bundle", [None, [], {}, {"mediaType": "x"}, {"verificationMaterial": []}, "x"])
def test_what_is_no_bundle_is_refused(bundle):
    with pytest.raises(SignatureError):
        verify_statement(bundle, generate_signing_key().public_key)
