"""AWS KMS: `awskms:KEY`, where KEY is an ARN, id or alias; boto3 finds the credentials.

A symmetric key encrypts data keys (Encrypt and Decrypt, with the header's digest as encryption context); a key of type
ECC_NIST_P256, P384 or P521 signs. Source: https://docs.aws.amazon.com/kms/latest/APIReference/
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.serialization import load_der_public_key

from governance.errors import ConfigurationError, DecryptionError, KeyRefusedError, KeyUnavailableError
from governance.keys.providers.service import ATTEMPTS, TIMEOUT_SECONDS, key_id_of_name, verify_parameters
from governance.keys.signing import VerifyingKey

SUITE = "AWS-KMS-SYMMETRIC"
# Longest message that KMS hashes itself; of a longer one, the digest is sent.
MAX_RAW_BYTES = 4096
_WRONG_CIPHERTEXT = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_TRY_AGAIN = frozenset(
    {"ThrottlingException", "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException"}
)
_ALGORITHMS = {
    "ecdsa-p256": ("ECDSA_SHA_256", hashlib.sha256),
    "ecdsa-p384": ("ECDSA_SHA_384", hashlib.sha384),
    "ecdsa-p521": ("ECDSA_SHA_512", hashlib.sha512),
}

Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class KmsRecipient:
    """A symmetric key of AWS KMS.

    Attributes:
        arn: ARN of the key.
        suite: Name of the method in the format.
    """

    arn: str
    _client: Any
    suite: str = SUITE

    @property
    def key_id(self) -> str:
        """SHA-256 of the ARN, in hex."""
        return key_id_of_name(f"awskms:{self.arn}")

    def wrap(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt a data key with the KMS key and `info` as encryption context."""
        answer = _ask(
            self._client, lambda kms: kms.encrypt(KeyId=self.arn, Plaintext=plaintext, EncryptionContext=_bound(info))
        )
        wrapped: bytes = answer["CiphertextBlob"]
        return wrapped

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Decrypt a data key that was wrapped with the same `info`."""
        answer = _ask(
            self._client,
            lambda kms: kms.decrypt(KeyId=self.arn, CiphertextBlob=wrapped, EncryptionContext=_bound(info)),
        )
        plaintext: bytes = answer["Plaintext"]
        return plaintext


@dataclass(frozen=True, slots=True)
class KmsSigner:
    """An ECDSA key of AWS KMS.

    Attributes:
        arn: ARN of the key.
        public_key: Its public half.
    """

    arn: str
    public_key: VerifyingKey
    _client: Any

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over `message`; see `Signer.sign`."""
        algorithm, digest = _ALGORITHMS[self.public_key.algorithm]
        kind, content = ("RAW", message) if len(message) <= MAX_RAW_BYTES else ("DIGEST", digest(message).digest())
        answer = _ask(
            self._client,
            lambda kms: kms.sign(KeyId=self.arn, Message=content, MessageType=kind, SigningAlgorithm=algorithm),
        )
        signature: bytes = answer["Signature"]
        return signature


def open_recipient(key: str, parameters: Mapping[str, str]) -> KmsRecipient:
    """Return a symmetric key.

    Args:
        key: ARN, id or alias.
        parameters: `region` and `endpoint`, both optional.

    Raises:
        ConfigurationError: if it is not a symmetric key.
        KeyUnavailableError: if KMS cannot be reached.
        KeyRefusedError: if KMS refuses.
    """
    client = _client(parameters)
    described = _ask(client, lambda kms: kms.describe_key(KeyId=key))["KeyMetadata"]
    if described.get("KeySpec") != "SYMMETRIC_DEFAULT":
        raise ConfigurationError(f"awskms:{key} is {described.get('KeySpec')}; a recipient needs a symmetric key")
    return KmsRecipient(described["Arn"], client)


def open_signer(key: str, parameters: Mapping[str, str]) -> KmsSigner:
    """Return a signing key with its public half.

    Args:
        key: ARN, id or alias.
        parameters: `region` and `endpoint`, both optional.

    Raises:
        ConfigurationError: if it is not an ECDSA key on P-256, P-384 or P-521.
        KeyUnavailableError: if KMS cannot be reached.
        KeyRefusedError: if KMS refuses.
    """
    client = _client(parameters)
    answer = _ask(client, lambda kms: kms.get_public_key(KeyId=key))
    try:
        public = VerifyingKey.from_key(load_der_public_key(answer["PublicKey"]))
    except ValueError:
        public = None
    if public is None or public.algorithm not in _ALGORITHMS:
        raise ConfigurationError(f"awskms:{key} is {answer.get('KeySpec')}; signing needs ECC_NIST_P256, P384 or P521")
    return KmsSigner(answer["KeyId"], public, client)


def _client(parameters: Mapping[str, str]) -> Any:
    verify_parameters("awskms", parameters, {"region", "endpoint"})
    config = Config(
        connect_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
        retries={"mode": "standard", "max_attempts": ATTEMPTS},
    )
    try:
        return boto3.client(
            "kms", region_name=parameters.get("region"), endpoint_url=parameters.get("endpoint"), config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"AWS KMS cannot be used with these parameters: {str(error)[:200]}") from None


def _bound(info: bytes) -> dict[str, str]:
    return {"bento-sealed": info.hex()}


def _ask(client: Any, call: Callable[[Any], Response]) -> Response:
    try:
        return call(client)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _WRONG_CIPHERTEXT:
            raise DecryptionError("AWS KMS: the data key was not encrypted by this key for this artifact") from None
        if code in _TRY_AGAIN or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise KeyUnavailableError(f"AWS KMS cannot answer now ({code}): try again") from None
        raise KeyRefusedError(f"AWS KMS refused ({code})") from None
    except BotoCoreError as error:
        raise KeyUnavailableError(f"AWS KMS cannot be reached ({type(error).__name__})") from None
    finally:
        client.close()  # Keys are used only at start, so no connection is kept for the life of a server.
