"""Makes the models that this project ships: two digit models, and the tagger of personal data.

Read in this order: `config` (what a run is made of), `data` (the digits, and what is wrong with them), `preprocess`,
`cnn` and `rnn` (the networks), `fit` (the training loop), `runs` (the folder of a run), `tune`, `evaluate`, `export`
(ONNX, card, reference profile), `__main__` (the command). The tagger is the package `tagger`.

Training may import `governance`, so that it measures with the code of serving; `governance` never imports training.
"""
