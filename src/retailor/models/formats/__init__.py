"""Formats: how folders and files of others become networks, or why they do not."""
