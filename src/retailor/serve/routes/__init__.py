"""The addresses of a server, and what is sent back."""
