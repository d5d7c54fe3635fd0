"""The entry of `python -m shop`."""

import sys

from points import point

from . import VERSION, Order, events, stock
from .pricing import rates
from .pricing.discount import Discount, apply

print("main", __name__, __package__, __spec__.name, VERSION, sys.argv[1:])
discount = Discount(0.1)
for n, (name, amount) in enumerate([("bolt", 3), ("nut", 50), ("screw", 7)]):
    order = Order(name, amount)
    order.place()
    point()
    events.append((n, order.name))
    print("order", order, apply(order.price, discount), stock.level(name), rates.table[name])
    if n == 1:
        rates.raise_all(2)
        stock.COUNT += 100
print(events, stock.COUNT, stock.log, Order.placed, sys.modules["shop"].events is events)
from .pricing import late  # noqa: E402

print(late.summary())
