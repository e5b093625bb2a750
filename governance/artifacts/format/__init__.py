"""The bytes of a `.sealed` file; `../FORMAT.md` specifies them.

Read `sources` and `packing` (the files that are sealed), `manifest` (their digests), `cipher` (one encrypted part),
`container` (header, parts, trailer), `recipients` (the wrapped data key). Nothing here decides whether a signer is
trusted or a model is harmless.
"""
