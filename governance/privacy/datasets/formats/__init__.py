"""File formats: text, JSON lines, CSV and Parquet are read in batches of rows, and written again in the same form.

Order of reading: `batch` (what all formats have in common), `lines`, `text`, `json_lines`, `delimited` (CSV),
`parquet`, `cells` (values as texts), `open` (choosing the format), `output` (files that are complete or absent).

This package must not know personal data: no detectors, operators or profiles.
"""
