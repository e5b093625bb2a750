"""Reads and writes the `.sealed` file: container, manifest, encryption, recipients, packing of large tensors."""
