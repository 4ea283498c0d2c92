"""The demo shop: made up from a seed, with known right answers."""

from retailor.shop.demo.shop import DemoTruth, demo_shop, demo_truth

__all__ = ["DemoTruth", "demo_shop", "demo_truth"]
