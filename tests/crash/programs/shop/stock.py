"""Module state changed by functions: globals, a module-level list, an import that goes in a circle."""

from points import point

levels = {"bolt": 10, "nut": 20, "screw": 5}
log = []
COUNT = 0


def take(name, amount):
    global COUNT
    from . import events

    if levels[name] < amount:
        point()
        raise LookupError(name)
    levels[name] -= amount
    COUNT += amount
    log.append((name, amount, len(events)))


def level(name):
    return point(levels[name])
