"""Cedar policies: what a caller may do, and in what detail it gets the answer."""
