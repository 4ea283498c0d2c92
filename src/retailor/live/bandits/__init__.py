"""Learning from what was shown: beliefs, orders with known probabilities, and what another would be worth."""
