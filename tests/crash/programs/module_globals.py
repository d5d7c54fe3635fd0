"""Globals and their neighbours: rebinding, deletion, function attributes, mutable defaults, class state, builtins."""

import builtins
import sys

from points import point

total = 0
names = []


def add(n, seen=[]):
    global total, latest
    seen.append(n)
    total += n
    latest = n
    add.calls = getattr(add, "calls", 0) + 1
    point()
    return len(seen)


class Config:
    values = {"a": 1}
    count = 0

    @classmethod
    def bump(cls):
        cls.count += 1
        return point(cls.count)


print(add(1), add(2), total, latest, add.calls, add.__defaults__)
globals()["dynamic"] = lambda: total * 10
print(dynamic())
point()
print(dynamic(), Config.bump(), Config.bump(), vars(Config)["count"])
del latest
point()
print("latest" in globals(), "dynamic" in globals())
builtins.shout = lambda text: print(text.upper())
shout("builtin")
point()
shout("still there")
add.__defaults__ = ([100],)
add.__doc__ = "changed"
Config.values["b"] = Config
print(add(3), add.__doc__, Config.values["b"] is Config, sys.modules["__main__"].total, vars()["total"])
original = add


def add(n):
    return original(n) * 1000 + point(n)


print(add(5), total, add.__globals__ is globals(), original.__globals__ is globals())
