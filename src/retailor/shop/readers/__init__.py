"""Readers: from rows to canonical tables, a file a source."""
