"""The Open Inference Protocol v2: its routes, messages and tensors, answered by the loaded models.

Read `routes.py`, `server.py`, `messages.py`, `tensors.py`, `explain.py`. It must not know BentoML, plugins or ONNX Runtime.
"""
