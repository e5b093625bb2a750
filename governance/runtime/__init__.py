"""ONNX Runtime: models opened from memory, on a device that is proved, with one copy of large weights for all workers.

Read `registry.py` (the models of a process), `model.py` (one model), `device.py` (providers), `gpu.py` (measurements).
It must not know HTTP, plugins or BentoML.
"""
