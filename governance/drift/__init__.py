"""Drift: whether recent inputs and answers of a model are distributed as in its validation data.

Read `measures` (numbers of one item), `profile` (their distribution in the validation data) and `learning` (making it),
`sampling` and `window` (recent counts), `statistics`, `comparison` (the state: steady, watch, drifted), `page` (a
report as HTML). Only counts are stored, never a value. Requests, callers, models and files are not known here.
"""
