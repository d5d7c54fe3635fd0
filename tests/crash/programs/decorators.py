"""Decorators: functools.wraps, parameters, stacks of them, decorated methods, classes and static methods."""

import functools

from points import point

calls = []


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        calls.append(function.__name__)
        print("before", function.__name__, kwargs)
        result = function(*args, **kwargs)
        print("after", function.__name__, result)
        return result

    return wrapper


def repeat(times):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return [function(*args, **kwargs) for _ in range(times)]

        wrapper.times = times
        return wrapper

    return decorate


class Memo:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function
        self.seen = {}

    def __call__(self, *args):
        if args not in self.seen:
            self.seen[args] = self.function(*args)
        return self.seen[args]


def register(registry):
    def decorate(cls):
        registry[cls.__name__] = cls
        cls.registered = True
        return cls

    return decorate


registry = {}


@logged
def add(x, *, y=1):
    return point(x + y)


@repeat(2)
@logged
def twice(x):
    return point(x * 2)


@Memo
def slow(n):
    return point(n * n)


@register(registry)
class Model:
    def __init__(self, scale):
        self.scale = scale

    @logged
    def fit(self, *data, **options):
        self.total = sum(data) * self.scale
        point()
        return self.total

    @staticmethod
    @logged
    def check(value):
        return point(value > 1)

    @classmethod
    @logged
    def make(cls, scale):
        return point(cls(scale)).scale


print(add(1, y=2))
print(twice(3), twice.times, twice.__name__)
print(slow(4), slow(4), slow.__name__, slow.seen)
model = Model(3)
print(model.fit(1, 2, verbose=True), model.fit(*[4], **{"quiet": 1}))
print(Model.check(2), Model.make(5), model.make(6))
print(registry["Model"] is Model, Model.registered, calls)
