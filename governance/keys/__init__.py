"""Key providers: open a key by its URI, and use it without seeing it."""

from governance.keys.recipient import (
    RecipientKey,
    RecipientPublicKey,
    Unwrapper,
    Wrapper,
    generate_recipient_key,
    load_recipient_public_key,
)
from governance.keys.signing import Signer, SigningKey, VerifyingKey, generate_signing_key, load_verifying_key
from governance.keys.uri import open_recipient, open_recipient_key, open_secret, open_signing_key

__all__ = [
    "RecipientKey",
    "RecipientPublicKey",
    "Signer",
    "SigningKey",
    "Unwrapper",
    "VerifyingKey",
    "Wrapper",
    "generate_recipient_key",
    "generate_signing_key",
    "load_recipient_public_key",
    "load_verifying_key",
    "open_recipient",
    "open_recipient_key",
    "open_secret",
    "open_signing_key",
]
