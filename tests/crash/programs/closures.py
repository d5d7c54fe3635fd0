"""Closures: cells shared by several functions, nonlocal, late binding, cells emptied and filled again."""

from points import point


def counter():
    value = 0

    def increase(by=1):
        nonlocal value
        value += by
        point() if value == 3 else None
        return value

    def read():
        return value

    def reset():
        nonlocal value
        value = 0

    return increase, read, reset


increase, read, reset = counter()
for _ in range(4):
    print("increase", increase(), read())
point()
print(increase(10), read(), increase.__closure__[0] is read.__closure__[0])
reset()
print(read(), increase(by=5))


def late():
    functions = [lambda: i for i in range(3)]
    i = "outer"
    more = []
    for i in range(3):
        def bound(j=i):
            return i, j
        more.append(bound)
        point() if i == 1 else None
    i = "changed"
    return functions, more, lambda: i


functions, more, last = late()
point()
print([f() for f in functions], [f() for f in more], last())


def unbound():
    def use():
        try:
            return later
        except NameError as error:
            return type(error).__name__

    print(use())
    point()
    print(use())
    later = "now"
    print(use())
    del later
    point()
    print(use())


unbound()


def nest(a):
    def middle(b):
        def inner(c):
            nonlocal a, b
            a += b
            b += c
            return point((a, b, c))

        return inner

    return middle


inner = nest(1)(2)
print(inner(3))
print(inner(4))


def self_reference(n):
    def again(k):
        return 0 if k == 0 else k + again(k - 1)

    point()
    return again(n)


print(self_reference(5))
