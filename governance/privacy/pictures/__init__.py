"""Personal data in pictures: metadata is removed, and faces are covered or refused.

Order of reading: `metadata` (JPEG, PNG and WebP without metadata, byte for byte), `faces` (found and covered), `images`
(one uploaded image, form or body, with both).

This package must not know requests, routes or operators: it takes image bytes and parts of forms, and returns the same
with `Redactions`.
"""
