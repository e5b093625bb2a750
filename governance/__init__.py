"""Governance for BentoML services."""
