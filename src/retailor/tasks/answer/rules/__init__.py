"""The shop's own rules: checked facts, answers from them, and what would contradict them."""
