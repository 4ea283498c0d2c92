"""Dialogue: the shop's tools, a planner that uses them, and doors for other assistants to use them too."""
