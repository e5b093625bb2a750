"""What we claim, measured beside peers in one run."""
