"""Operators whose Python methods commit: arithmetic, in-place, comparison, item access, attribute fallback, iteration."""

from points import point


class Vector:
    def __init__(self, *values):
        self.values = list(values)

    def __add__(self, other):
        point()
        return Vector(*(a + b for a, b in zip(self.values, other.values)))

    def __sub__(self, other):
        return point(Vector(*(a - b for a, b in zip(self.values, other.values))))

    def __rmul__(self, scale):
        point()
        return Vector(*(scale * a for a in self.values))

    def __iadd__(self, other):
        point()
        self.values = [a + b for a, b in zip(self.values, other.values)]
        return self

    def __neg__(self):
        return point(Vector(*(-a for a in self.values)))

    def __matmul__(self, other):
        total = 0
        for a, b in zip(self.values, other.values):
            total += a * b
        return point(total)

    def __getitem__(self, index):
        point()
        return self.values[index]

    def __setitem__(self, index, value):
        point()
        self.values[index] = value

    def __lt__(self, other):
        point()
        return self.values < other.values

    def __eq__(self, other):
        point()
        return self.values == other.values

    def __getattr__(self, name):
        if name.startswith("get_"):
            return point(self.__dict__[name[4:]])
        raise AttributeError(name)

    def __iter__(self):
        point()
        return Walk(self.values)

    def __repr__(self):
        return f"V{self.values}"


class Walk:
    def __init__(self, values):
        self.values = values
        self.at = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.at += 1
        if self.at == 2:
            point()
        if self.at > len(self.values):
            raise StopIteration
        return self.values[self.at - 1]


a, b = Vector(1, 2), Vector(3, 4)
print("sum", a + b, "difference", a - b, "scaled", 3 * a, "negated", -a, "dot", a @ b)
c = a
c += b
print("in place", a is c, a)
print("item", a[0] + a[1])
a[0] = b[1] + 1
print("set", a)
print("less", a < b, "equal", a == b)
print("attribute", a.get_values, hasattr(a, "other"))
for value in a:
    print("walk", value)
print("end", a + b - a)
