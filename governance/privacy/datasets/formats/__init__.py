"""File formats of data sets: text, JSON lines, CSV and Parquet, read and written in batches."""
