"""Objectives of domain adaptation: what a model learns from texts without labels, a file an objective."""
