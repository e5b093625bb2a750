"""Personal data in a request: JSON, forms, queries, tensors and streams."""
