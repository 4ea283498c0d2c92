"""The parts of the recommender: each scores every item for a history, and can be used alone."""
