"""Personal data in pictures: metadata and faces."""
