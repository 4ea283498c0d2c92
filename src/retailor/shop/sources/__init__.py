"""Rows that stand in no file of the shop's: databases, DuckDB files, lakes and buckets."""
