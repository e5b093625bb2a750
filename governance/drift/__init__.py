"""Drift: what a model was validated on, what it sees now, and whether the two still are alike."""
