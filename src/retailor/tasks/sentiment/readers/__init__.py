"""What answers: each reader has `probabilities(queries) -> [n, C]`; the task saves and opens them."""
