"""What files are that nobody has described: readers and column maps, for a person to look over."""
