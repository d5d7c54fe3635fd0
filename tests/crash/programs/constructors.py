"""Constructors: `__init__` chains through super(), diamonds, metaclass calls, objects made in expressions."""

from points import point


class Base:
    def __init__(self, a):
        print("Base", a)
        point()
        self.a = a


class Left(Base):
    def __init__(self, a, **rest):
        super().__init__(a)
        self.left = point(True)
        print("Left", rest)


class Right(Base):
    def __init__(self, a, right=0):
        super().__init__(a + 100)
        point()
        self.right = right
        print("Right")


class Both(Left, Right):
    def __init__(self, a, b):
        super().__init__(a, b=b)
        point()
        self.b = b


class Spelled(Right):
    def __init__(self, a, **rest):
        super(Spelled, self).__init__(a, **rest)
        super(Right, self).__init__(a)


class Singletons(type):
    made = {}

    def __call__(cls, *args):
        print("calling", cls.__name__, args)
        point()
        if cls not in Singletons.made:
            Singletons.made[cls] = super().__call__(*args)
        return Singletons.made[cls]


class Config(metaclass=Singletons):
    def __init__(self, value):
        point()
        self.value = value
        print("Config", value)


class Node:
    def __init__(self, depth):
        self.depth = depth
        self.children = [] if depth == 0 else [Node(depth - 1), Node(depth - 1)]
        if depth == 1:
            point()

    def total(self):
        result = self.depth
        for child in self.children:
            result += child.total()
        return result


both = Both(1, 2)
print(sorted(vars(both).items()))
print(Spelled(7, right=8).right)
first = Config(1)
print(first is Config(2), first.value)
print("tree", Node(2).total())
pair = (Base(5).a, [Left(6).a for _ in range(1)])
print(pair)
