"""The tagger: an ONNX model that finds persons, places, organisations and postal addresses in text.

Order of reading:

- `model`: `TaggerModel`, the opened model: texts in, findings out. `shipped_tagger` opens the one of this package.
- `composed`: texts in canonical composition, since in a decomposed one a word would fall apart.
- `words`: how a text is split into words, and which of them are equal.
- `windows`: how long texts are cut into pieces, and words into windows that the model reads.
- `graph`: the signed graph is cut into two parts and rewritten for speed when it is opened; `letter_tables`,
  `time_major` and `int8` are the three rewritings. Each changes a graph that it recognises, and leaves any other as
  it is.
- `pii_tagger/`: the model that this package ships, with its card; `training/tagger/` made it.

This package must not know patterns, operators, requests or settings, and not how a model was signed or encrypted.
"""
