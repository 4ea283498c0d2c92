"""From files to a Shop: readers, splits, a profile, and a demo shop."""
