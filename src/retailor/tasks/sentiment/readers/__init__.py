"""What answers: each reader has `probabilities(queries) -> [n, C]`, `save` and `load`."""
