"""Serving: a service without HTTP, an app without logic, a page."""
