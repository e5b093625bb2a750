"""Peers: other software that does the same task, for comparison."""
