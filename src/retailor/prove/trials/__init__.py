"""How each task is tried: its rows, and how a cell of each is made."""
