"""A table that functions rebind."""

table = {"bolt": 2, "nut": 3, "screw": 4}


def raise_all(factor):
    global table
    table = {name: price * factor for name, price in table.items()}
