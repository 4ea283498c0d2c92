"""Cells: from what a file says in one place to a value of a column, or to null with a count."""
