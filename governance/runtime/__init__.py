"""ONNX Runtime: providers, device honesty, inference."""
