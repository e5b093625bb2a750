"""Thin doors from a craft to a request; no plugin knows another."""
