"""Callables: partial, partialmethod, lambdas, bound methods kept as values, singledispatch, call shapes with * and **."""

import functools
import operator

from points import point


def total(*numbers, scale=1, **named):
    point()
    return sum(numbers) * scale, sorted(named.items())


def shape(a, b=2, /, c=3, *rest, d, e=5, **more):
    return point((a, b, c, rest, d, e, sorted(more)))


class Button:
    def __init__(self, name):
        self.name = name

    def press(self, times, force=1):
        return point((self.name, times, force))

    push = functools.partialmethod(press, 3)


@functools.singledispatch
def describe(value):
    return point(f"thing {value!r}")


@describe.register
def _(value: int):
    return point(f"int {value}")


@describe.register(list)
def _(value):
    return f"list of {[describe(v) for v in value]}"


double = functools.partial(total, scale=2)
nested = functools.partial(functools.partial(total, 1), 2, x=9)
print(double(1, 2), nested(3, y=8))
print(shape(1, d=4), shape(1, 2, 3, 4, 5, d=6, z=7), shape(*[1, 9], **{"d": 2, "e": 1}))
button = Button("ok")
press = button.press
print(press(1), button.push(), press(2, force=7), press.__self__ is button)
handlers = {"lambda": lambda x, k=[]: (k.append(x), point(list(k)))[1], "method": press, "partial": double}
for name, handler in handlers.items():
    print(name, handler(4))
print(handlers["lambda"](5))
print(describe(3), describe("x"), describe([1, "y"]))
getter, adder = operator.itemgetter(1), operator.attrgetter("name")
point()
print(getter("abc"), adder(button), functools.reduce(operator.mul, [1, 2, 3, 4]))
print((lambda n: n if n == 0 else n + (lambda m: point(m))(n - 1))(3))
apply = lambda f, *a, **k: f(*a, **k)
print(apply(apply, total, 1, scale=3, z=0))
