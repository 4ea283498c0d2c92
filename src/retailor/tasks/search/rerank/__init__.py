"""The second look at the best that were found: a rule, and trees that learn from judged queries."""
