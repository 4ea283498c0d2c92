"""What customers chose next, and what was in their next order, under every system."""
