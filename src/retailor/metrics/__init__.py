"""Metrics: the scores table, intervals, and the figures of each field."""
