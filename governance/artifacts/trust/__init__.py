"""Signatures on artifacts: who signed, who is trusted, and which versions may be served.

Read `statement` (what is signed) and `bundle` (its form), `signing` (making and verifying one signature),
`certificates` (signers with a certificate), `trust` (whose signatures count, and how many), `rollback` (the least
version that may be served). Ciphertext and the data key are not known here.
"""
