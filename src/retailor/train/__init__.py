"""Training: one loop, losses, domain adaptation."""
