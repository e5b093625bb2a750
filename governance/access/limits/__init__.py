"""Limits: rate, burst, concurrency and daily quotas of each caller, and load shedding for the process.

Read `local` (limits counted in one worker), `shared` (the same counted in Redis for all replicas), then `shedding`
(slots and queue of the worker). Callers are texts here: who they are is not known.
"""
