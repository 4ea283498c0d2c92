"""The tasks: recommend, search, answer, sentiment, review."""
