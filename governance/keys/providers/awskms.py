"""AWS KMS: `awskms:KEY`, an ARN, id or alias. Credentials come from where boto3 finds them.

A symmetric key wraps data keys (Encrypt and Decrypt, bound by the encryption context); an ECC_NIST_P256/384/521 key
signs. Source: https://docs.aws.amazon.com/kms/latest/APIReference/
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
from governance.keys.providers.service import ATTEMPTS, TIMEOUT_SECONDS, key_id_of, verify_parameters
from governance.keys.signing import VerifyingKey

SUITE = "AWS-KMS-SYMMETRIC"
# KMS signs a message as it is up to this length, and beyond it the digest of one.
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

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class KmsRecipient:
    """A symmetric key of AWS KMS; `key_id` is made of its ARN."""

    arn: str
    _client: Any
    suite: str = SUITE

    @property
    def key_id(self) -> str:
        return key_id_of(f"awskms:{self.arn}")

    def wrap(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt a data key under the KMS key, `info` as its encryption context."""
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
    """An ECDSA key of AWS KMS."""

    arn: str
    public_key: VerifyingKey
    _client: Any

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over `message`."""
        algorithm, digest = _ALGORITHMS[self.public_key.algorithm]
        kind, content = ("RAW", message) if len(message) <= MAX_RAW_BYTES else ("DIGEST", digest(message).digest())
        answer = _ask(
            self._client,
            lambda kms: kms.sign(KeyId=self.arn, Message=content, MessageType=kind, SigningAlgorithm=algorithm),
        )
        signature: bytes = answer["Signature"]
        return signature


def open_recipient(key: str, parameters: Mapping[str, str]) -> KmsRecipient:
    """Find a symmetric key.

    Raises:
        ConfigurationError: if it cannot wrap.
        KeyUnavailableError: if KMS could not be asked.
        KeyRefusedError: if KMS refused.
    """
    client = _client(parameters)
    described = _ask(client, lambda kms: kms.describe_key(KeyId=key))["KeyMetadata"]
    if described.get("KeySpec") != "SYMMETRIC_DEFAULT":
        raise ConfigurationError(f"awskms:{key} is {described.get('KeySpec')}; wrapping needs a symmetric key")
    return KmsRecipient(described["Arn"], client)


def open_signer(key: str, parameters: Mapping[str, str]) -> KmsSigner:
    """Find a signing key, and its public half.

    Raises:
        ConfigurationError: if it cannot sign as models are signed.
        KeyUnavailableError: if KMS could not be asked.
        KeyRefusedError: if KMS refused.
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
        raise ConfigurationError(f"AWS KMS cannot be addressed: {str(error)[:200]}") from None


def _bound(info: bytes) -> dict[str, str]:
    return {"bento-sealed": info.hex()}


def _ask(client: Any, call: Callable[[Any], Answer]) -> Answer:
    try:
        return call(client)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _WRONG_CIPHERTEXT:
            raise DecryptionError("AWS KMS says that this was not wrapped by this key for this artifact") from None
        if code in _TRY_AGAIN or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise KeyUnavailableError(f"AWS KMS could not answer ({code}); it may later") from None
        raise KeyRefusedError(f"AWS KMS refused ({code})") from None
    except BotoCoreError as error:
        raise KeyUnavailableError(f"AWS KMS could not be asked ({type(error).__name__})") from None
    finally:
        client.close()  # Keys are asked for at start alone: no idle connection stays for a server's life.
