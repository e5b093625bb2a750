"""The audit log: append-only entries in a Merkle tree (RFC 6962) with signed checkpoints, and receipts for callers.

Read `entry` (what one entry contains), `merkle` and `checkpoint` (the cryptography), `log_files` and `log` (writing),
`verify` (a whole log), `receipt` and `evidence` (proof of one entry), `heads` (newest checkpoints); `FORMAT.md`
specifies the files. Requests, policies and personal data are not known here: an entry gets values that the caller
chose.
"""
