"""Iterators of every builtin alive across a commit point, with their container still shared and still changing."""

import collections

from points import point

numbers = [1, 2, 3, 4, 5]
table = {"a": 1, "b": 2, "c": 3, "d": 4}
words = {"x"}
queue = collections.deque([1, 2, 3])
ordered = collections.OrderedDict(one=1, two=2, three=3)

alive = {
    "list": iter(numbers),
    "reversed": reversed(numbers),
    "tuple": iter((1, 2, 3)),
    "str": iter("héllo"),
    "bytes": iter(b"abc"),
    "bytearray": iter(bytearray(b"xyz")),
    "range": iter(range(0, 50, 10)),
    "long range": iter(range(10**20, 10**20 + 3)),
    "keys": iter(table),
    "values": iter(table.values()),
    "items": iter(table.items()),
    "reversed keys": reversed(table),
    "reversed items": reversed(table.items()),
    "set": iter(words),
    "deque": iter(queue),
    "reversed deque": reversed(queue),
    "ordered": iter(ordered),
    "ordered items": iter(ordered.items()),
    "memoryview": iter(memoryview(b"mem")),
}
shared = iter(numbers)
alive["enumerate"] = enumerate(shared, 10)
alive["zip"] = zip(shared, iter("pqr"))
alive["map"] = map(str, iter([7, 8, 9]))
alive["filter"] = filter(None, iter([0, 1, 0, 2]))
alive["map two"] = map(max, [1, 5], [4, 2])
feed = iter([3, 2, 1, 0, 9])
alive["sentinel"] = iter(lambda: next(feed), 0)


class Sequence:
    def __getitem__(self, i):
        if i > 3:
            raise IndexError
        return i * 11


alive["sequence"] = iter(Sequence())

for name, iterator in alive.items():
    print("first", name, next(iterator))
point()
numbers.append(6)
table["a"] = "changed"
print(next(alive["list"]), next(alive["items"]), next(alive["zip"]), alive["zip"] is not None)
point()
print("hint", alive["list"].__length_hint__(), alive["keys"].__length_hint__(), alive["range"].__length_hint__())
for name, iterator in alive.items():
    print("rest", name, list(iterator))
point()
print("exhausted", [list(i) for i in alive.values()] == [[] for _ in alive], list(shared), list(feed))
growing = [1]
for n in growing:
    if n < 4:
        growing.append(n + 1)
        point()
    print("growing", n)
for key in table:
    try:
        if key == "c":
            point()
            table["new"] = 1
    except RuntimeError:
        print("never")
    if key == "c":
        break
walk = iter(table)
next(walk)
point()
table["more"] = 2
try:
    next(walk)
except RuntimeError as error:
    print(error)
