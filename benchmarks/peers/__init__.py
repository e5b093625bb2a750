"""Peers: other ways to serve the same model."""
