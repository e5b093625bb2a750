"""Handwritten digits: a CNN and an RNN behind one governed service."""
