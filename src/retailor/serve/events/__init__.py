"""What happens in the shop while it is served: taken in, noted, and known by the next answer."""
