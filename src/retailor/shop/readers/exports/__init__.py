"""Readers of what shop systems, feeds, logs and review services export."""
