"""Sealed artifacts: a folder of model files in one file, signed and encrypted, and decrypted only into memory.

Read `format/` (the bytes of the file; `FORMAT.md` specifies them), `trust/` (signatures), `scan/` (what a model may
contain); then `seal`, `memory` and `opening`, `amend` (approval, recipients), `fetch` (download) and `bill` (bill of
materials). The runtime that executes a model, callers and requests are not known here.
"""
