"""Augmentation: more texts out of few."""
