"""Functions of libraries, in Python and in C, in whose place the program has put what calls them."""

import functools
import json
import math
import random
import time

from points import point


class Counted:
    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *args):
        self.calls += 1
        return self.function(*args)


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **options):
        wrapper.calls += 1
        return function(*args, **options)

    wrapper.calls = 0
    return wrapper


math.sqrt = Counted(math.sqrt)
json.loads = functools.lru_cache(json.loads)
json.dumps = functools.partial(json.dumps, sort_keys=True)
time.perf_counter = timed(time.perf_counter)
random.shuffle = timed(random.shuffle)
random.Random.choice = timed(random.Random.choice)

for step in range(3):
    point()
    cards = list(range(8))
    random.Random(step).shuffle(cards)
    print(math.sqrt(step), math.sqrt.calls, json.loads("[1]"), json.loads.cache_info().hits, json.dumps({"b": 1, "a": 2}))
    print(random.Random(step).choice("abc"), random.Random.choice.calls, time.perf_counter() > 0, time.perf_counter.calls)
    print(cards, random.shuffle.calls, json.dumps.func.__name__, math.sqrt.function.__name__)
