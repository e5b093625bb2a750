"""The command line: bento-governance."""
