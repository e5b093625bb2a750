"""Re-identification risk of a table, and making it coarser until the risk is low enough.

Order of reading: `columns` (columns as arrays of numbers), `measures` (k-anonymity, l-diversity, t-closeness and attack
risks), `hierarchy` (how values become coarser), `generalise` (the choice of levels).

This package must not know files, detectors or profiles: it takes columns, and returns figures and choices. The batches
of `formats` are the only thing it reads.
"""
