"""Pictures: their bytes read safely, and encoders that make vectors of them."""
