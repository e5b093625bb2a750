"""A folder of model files, sealed: signed, encrypted, and opened only to memory."""
