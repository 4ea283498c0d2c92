"""Compression: a smaller, faster encoder, with its loss measured."""
