"""Key providers: open a key by its URI."""
