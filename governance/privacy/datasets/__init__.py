"""Data sets: text, JSON lines, CSV and Parquet, searched, changed and measured in batches."""
