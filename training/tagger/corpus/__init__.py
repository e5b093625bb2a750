"""The tagger's training text: templates and a grammar, filled with names and values, then made noisy.

Read in this order: `texts` (what training, validation and test get), `templates` and `grammar` (sentences with slots),
`values` and `faker_values` (what fills a slot), `vocabulary` (words and names of installed packages), `labelled` (a
text with its spans), `noise`. `datafiles` reads `training/tagger/data/`, `draws` has random draws that several use.

This package knows nothing of torch, of the network, or of how a text is split into words.
"""
