"""The scan of ONNX models: what a graph may contain and cost, checked in a child process with limits.

Read `limits` (limits and findings), `scan` (the entry point and the child process), `onnx_wire` (counting before
parsing), `rules` (what a graph may contain), `costs` (how much memory and time it may take), `graph` (walking a parsed
model). Signatures, encryption and the runtime are not known here.
"""
