"""The Open Inference Protocol v2: its routes, messages and tensors, answered by the loaded models.

Read `routes.py`, `server.py`, `messages.py`, `shapes.py`, `tensors.py`, `elements.py`, `classification.py`, and
`explain.py` for what a wrong request is told. It must not know BentoML, plugins or ONNX Runtime.
"""
