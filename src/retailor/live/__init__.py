"""A living shop: what happens after the fit, kept durably and known to the next answer."""
