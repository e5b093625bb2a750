"""Deployable services."""
