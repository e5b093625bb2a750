"""Callers: who sends a request, proved by an API key, a JSON Web Token or a client certificate.

Read `caller` (the result) and `authenticator` (the contract of the three kinds) first; then `api_key_store` and
`api_keys`, `jwks` and `tokens`, `client_certificates`; `last_used` records the day of a key's last use. No policy and
no limit is known here.
"""
