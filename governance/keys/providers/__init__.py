"""Key providers, one module for each kind of URI besides `file:`: `env`, `awskms`, `vault`, `pkcs11`.

`passphrase` decrypts private keys in files; `service` has what the key services share. `keys.uri` imports a provider,
and with it the provider's SDK, only when a URI names it.
"""
