"""Changing personal data: the operators, and texts whose findings are changed by them.

An operator is what happens to one value: `mask:4` makes `**** **** **** 1234` of a card number. The table `OPERATORS`
in `operators.py` has one row for each operator; all other code asks that table.

Order of reading: `context` (key, scope and subject), `erasing`, `numbers`, `dates`, `keyed` and `surrogates` (the
functions), `operators` (the table), `scope`, `text`.

This package must not know where a value comes from: requests, pictures and data sets import it, never the reverse.
"""
