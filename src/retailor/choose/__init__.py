"""Choosing a backbone before training any."""
