"""Digits from files: read, check, and split them.

Read in this order: `digits` (the values), `idx`, `pictures` and `table` (the three forms of files), `load` (from a path
to three parts), `check` (what is wrong with the data, said before training begins). No module here knows torch.
"""
