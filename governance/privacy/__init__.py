"""Personal data: found in text, and changed in requests, pictures and data sets.

Order of reading: `find` (patterns, checks and context words), `tagger` (a model for names, places and addresses),
`change` (operators), `request` (one call of a service), `pictures` (uploaded images), `datasets` (files); `native` has
the inner loops in C, and `redactions` the facts that plugins read.

This package must not know HTTP, BentoML, settings, plugins or the command line, nor any other domain package.
"""
