"""Readers of what shop systems, feeds, logs and review services export: a table of them, and those that need code."""
