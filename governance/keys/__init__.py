"""Keys: opened by URI from files, environment variables, key services or tokens, and used through small interfaces.

Read `uri` (which URIs exist), `key_files` (reading and writing files), `development` (keys that production refuses),
`signing` (Signer, VerifyingKey) and `recipient` (Wrapper, Unwrapper: encryption of data keys), `derive` (secrets from a
signing key), `dsse` (signed JSON documents), `operations` (counting for the metrics); `providers/` has one file for
each kind of URI. What is signed or encrypted is bytes here: artifacts and logs are not known.
"""

from governance.keys.derive import derive_secret
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
    "derive_secret",
    "generate_recipient_key",
    "generate_signing_key",
    "load_recipient_public_key",
    "load_verifying_key",
    "open_recipient",
    "open_recipient_key",
    "open_secret",
    "open_signing_key",
]
