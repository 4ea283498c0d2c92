"""What files are that nobody has described: a proposal of readers and column maps, to be looked at by a person."""
