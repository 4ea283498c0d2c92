"""What may be quoted: the passages of a shop, cleaned of instructions, and an index over them."""
