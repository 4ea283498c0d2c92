"""Retrieval: words, vectors, collaborative filtering, and one way to blend them."""
