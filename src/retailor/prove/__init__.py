"""The ledger: what each step of transfer was worth on a shop's own data."""
