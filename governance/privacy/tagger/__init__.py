"""The tagger: an ONNX model that finds persons, places, organisations and addresses."""
