"""What is searched for: the table of detectors, the checks of its rows, and the regular expressions made from it.

Order of reading: `detector` (what a row consists of), `detectors` (the table: data only), `checks` (checksums and other
rules that a match must pass), `expressions` (each row as regular expressions for `re` and for Hyperscan).

This package must not know how a text is searched, nor what is done with a match.
"""
