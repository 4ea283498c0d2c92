"""Words that stand for each other in a shop: the merchant's own file, and pairs mined for it to look at."""
