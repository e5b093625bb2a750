"""Train CNN and RNN models in PyTorch, from data to tested ONNX."""
