"""Signatures on artifacts: who signed, who is trusted, and which versions may be served."""
