"""Finding personal data in text: patterns, checks and context words."""
