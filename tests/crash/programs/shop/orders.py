"""A class whose methods work on another module's state."""

from . import stock
from .pricing import rates


class Order:
    placed = 0

    def __init__(self, name, amount):
        self.name = name
        self.amount = amount
        self.done = False

    @property
    def price(self):
        return rates.table[self.name] * self.amount

    def place(self):
        try:
            stock.take(self.name, self.amount)
        except LookupError as error:
            print("not enough", error)
            self.amount = stock.levels[self.name]
            stock.take(self.name, self.amount)
        self.done = True
        Order.placed += 1

    def __repr__(self):
        return f"{self.name} x {self.amount} {self.done}"
