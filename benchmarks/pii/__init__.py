"""Labelled texts: templates, the maker, and the set itself."""
