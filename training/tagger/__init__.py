"""The tagger: a network that finds persons, places, organisations and postal addresses in text, and its training.

Read in this order: `corpus` (the texts), `model` (the network), `fit` (the training loop), `scores` (precision, recall
and F2), `export` (ONNX and the model's card). README.md walks through them with the commands. The serving side is
`governance.privacy.tagger`; only `export` imports it, to score what serving will find.
"""
