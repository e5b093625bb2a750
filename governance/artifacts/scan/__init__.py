"""The ONNX admission scan: what a model graph may contain, checked in a limited child process."""
