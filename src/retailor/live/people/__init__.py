"""People: taken out of everything that a run keeps, or handed what it knows of them."""
