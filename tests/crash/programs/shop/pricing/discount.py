"""A dataclass and a function that reach two packages up."""

from dataclasses import dataclass

from points import point

from .. import stock


@dataclass
class Discount:
    rate: float
    used: int = 0


def apply(price, discount):
    discount.used += 1
    point()
    return round(price * (1 - discount.rate), 2), discount.used, stock.COUNT
