"""The store: what is made once, found again by the key of everything that made it."""
