"""Personal data: found, then changed."""
