"""Generators suspended in locals, attributes, containers and as loop iterators; generator expressions; nesting."""

from points import point


def count(n, label):
    print("start", label)
    try:
        for i in range(n):
            point() if i == 1 and label in ("loop", "attribute") else None
            yield i
    finally:
        print("stop", label)


def squares(source):
    for value in source:
        yield value * value


class Holder:
    def __init__(self):
        self.numbers = count(4, "attribute")
        self.by_name = {"x": squares(iter([1, 2, 3])), "y": (n + 1 for n in [10, 20, 30])}

    def pull(self):
        return next(self.numbers), next(self.by_name["x"]), next(self.by_name["y"])


holder = Holder()
print(holder.pull())


def work():
    local = count(3, "local")
    print("local", next(local))
    suspended = (a * b for a in (1, 2) for b in (10, 20))
    print("expression", next(suspended), next(suspended))
    for value in squares(count(3, "loop")):
        print("loop", value)
        if value == 1:
            point()
    print(holder.pull())
    point()
    print("rest", list(local), list(suspended))
    never_started = count(1, "fresh")
    finished = count(0, "empty")
    print(list(finished))
    point()
    print("fresh", list(never_started), list(finished))


work()
point()
print(holder.pull(), list(holder.by_name["x"]), list(holder.by_name["y"]))
holder.numbers.close()
print("closed", list(holder.numbers))
shared = iter(count(6, "shared"))
pairs = zip(shared, shared)
print(next(pairs))
point()
print(list(pairs))
