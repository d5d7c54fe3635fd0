"""Classes: properties, `__call__`, class and static methods, slots, class attributes, inheritance, super()."""

from points import point


class Shape:
    made = 0
    kinds = []

    def __init_subclass__(cls, **options):
        super().__init_subclass__()
        Shape.kinds.append((cls.__name__, sorted(options)))

    def __init__(self, name):
        type(self).made += 1
        self.name = name

    @property
    def area(self):
        return point(0)

    def describe(self):
        return f"{self.name}: {self.area}"

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}>"


class Square(Shape, sides=4):
    def __init__(self, side):
        super().__init__("square")
        self.side = side

    @property
    def area(self):
        point()
        return self.side**2

    @area.setter
    def area(self, value):
        self.side = value**0.5

    def describe(self):
        text = super().describe()
        return point(text.upper())

    @classmethod
    def unit(cls):
        return point(cls(1))

    @staticmethod
    def double(square):
        return Square(square.side * point(2))


class Layer:
    __slots__ = ("weight", "calls")

    def __init__(self, weight):
        self.weight = weight
        self.calls = 0

    def __call__(self, x, *, bias=0):
        self.calls += 1
        return self.forward(x) + bias

    def forward(self, x):
        return point(self.weight * x)


class Net:
    def __init__(self):
        self.layers = [Layer(w) for w in (2, 3)]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x, bias=1)
            print("layer", x)
        return x


square = Square(3)
print(square.describe(), Square.unit().side, Square.double(square).side, Square.made, Shape.made)
square.area = 49
print(square.side, Shape("plain").describe(), Shape.kinds, square)
net = Net()
print(net(5), [layer.calls for layer in net.layers])


def local_class(n):
    class Local:
        factor = n

        def times(self, k):
            return __class__.factor * point(k)

    return Local


A, B = local_class(2), local_class(3)
a = A()
print(a.times(5), B().times(5), isinstance(a, A), isinstance(a, B), A.__qualname__)
Square.extra = lambda self: point(self.side + 1)
print(square.extra())
