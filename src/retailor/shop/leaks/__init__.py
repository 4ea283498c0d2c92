"""What a shop's test part gives away: leaks between training and test, with the rows that show them."""

from retailor.shop.leaks.find import find_leaks
from retailor.shop.leaks.shapes import KINDS, Leak, Leaks

__all__ = ["KINDS", "Leak", "Leaks", "find_leaks"]
