"""Re-identification risk of a table, and generalisation until k-anonymity holds."""
