"""The labelled set of texts with personal data: templates, the program that fills them, and the set itself."""
