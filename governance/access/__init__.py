"""Who asks, what they may, how often, and on which routes."""
