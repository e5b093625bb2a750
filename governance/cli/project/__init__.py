"""A service's folder: made by `init`, served by `dev` while a person works on it.

Reading order: `contents` (what a new folder holds, for each kind of service), `onnx_model` and `existing` (what a model
and an existing service say about themselves), `examples` (a first request), `templates/` (the files), `state` (keys,
sealed models and a caller for development), `init` and `dev` (the commands).
"""
