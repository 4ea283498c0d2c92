"""Models behind an address: what is asked, what it costs, many at once."""
