"""Whether the shop has what a query asks for: told from queries rehearsed with their kind withheld."""
