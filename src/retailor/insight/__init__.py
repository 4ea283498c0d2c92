"""Insight for the merchant: what customers speak of, complain of and ask for, counted, quoted and dated."""
