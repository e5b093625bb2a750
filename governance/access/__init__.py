"""Access: who calls, what the policies permit, how much a caller may send, and what is stopped.

Read `callers/` (identity of a caller by its credential), `policies/` (Cedar decisions and obligations), `limits/`
(rates, quotas, load shedding), then `stop` (kill switch) and `grants` (emergency grants); `memo` is the cache that
several of them use. Nothing here knows HTTP, the request pipeline, models or metrics: values come in as arguments.
"""
