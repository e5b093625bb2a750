"""Limits: rate, burst, concurrency and daily quotas for each caller, and load shedding for the process."""
