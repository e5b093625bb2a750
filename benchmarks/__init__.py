"""Benchmarks: measure the figures in the documents, together with comparable software in the same run."""
