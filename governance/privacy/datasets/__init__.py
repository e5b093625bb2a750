"""Data sets: files of text, JSON lines, CSV or Parquet are scanned, measured and anonymized, in batches of rows.

Three functions do what the commands `privacy scan`, `privacy risk` and `privacy anonymize` do, for programs:
`scan.scan_file`, `measure.measure_file` and `anonymize.anonymize_file`; `report` makes pages and documents of their
results.

Order of reading: `formats` (reading and writing files), `findings` (detection in columns), `scan`, `risk` (figures of
a table), `measure`, `profile` (what happens to columns), `change` (changing batches), `anonymize`, `report`, `answers`
(detection line by line, for programs).

This package must not know requests, pictures or the command line; it imports `find`, `tagger` and `change`.
"""
