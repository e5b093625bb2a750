"""The `.sealed` file, byte by byte: container, manifest, encryption, recipients and packing. See ../FORMAT.md."""
