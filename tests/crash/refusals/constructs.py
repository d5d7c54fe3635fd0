"""Commit points inside constructs where C code stands between two Python frames: refused by name, or truly resumed.

Prints a line for each, whether the construct's own result is right; with CRASH_FACTS also what checkpoint() answered
and what it warned about.
"""

import abc
import asyncio
import functools
import itertools
import json
import os
import sys
import types
import warnings

import forkpoint

taken = None


def commit(value=True):
    global taken
    taken = forkpoint.checkpoint(wait=True)
    return value


def gen(n):
    for i in range(n):
        commit()
        yield i


def ending():
    commit()
    return
    yield


class Probe:
    def __bool__(self):
        return commit(False)

    def __hash__(self):
        return commit(1)

    def __repr__(self):
        return commit("probe")

    def __contains__(self, item):
        return commit(True)

    def __eq__(self, other):
        return commit(self is other)

    def __len__(self):
        return commit(0)

    def __getattr__(self, name):
        commit()
        raise AttributeError(name)

    def __iter__(self):
        return gen(1)


class New:
    begun = False

    def __new__(cls):
        commit()
        return super().__new__(cls)

    def __init__(self):
        self.begun = True


class Dying:
    died = 0

    def __del__(self):
        commit()
        Dying.died += 1


class Unequal:
    def __eq__(self, other):
        return commit(True)


def sort_key():
    return sorted([3, 1, 2], key=lambda v: commit(v)) == [1, 2, 3]


def list_sort():
    values = [2, 1]
    values.sort(key=functools.cmp_to_key(lambda a, b: commit(a - b)))
    return values == [1, 2]


def map_():
    return list(map(lambda v: commit(v + 1), [1, 2])) == [2, 3]


def filter_():
    return list(filter(lambda v: commit(v > 1), [1, 2])) == [2]


def list_of_generator():
    return list(gen(2)) == [0, 1]


def sum_of_generator():
    return sum(commit(v) for v in (1, 2)) == 3


def max_key():
    return max([1, 3, 2], key=lambda v: commit(-v)) == 1


def reduce_():
    return functools.reduce(lambda a, b: commit(a + b), [1, 2, 3]) == 6


def lru_cache():
    @functools.lru_cache
    def cached(n):
        return commit(n * 2)

    return cached(2) == 4 and cached.cache_info().currsize == 1


def class_body():
    class Body:
        value = commit(3)

    return Body.value == 3


def asyncio_task():
    async def main():
        return commit(4)

    return asyncio.run(main()) == 4


def del_():
    Dying()
    return Dying.died == 1


def new():
    return New().begun


def bool_():
    if Probe():
        return False
    return True


def not_():
    return not Probe()


def hash_():
    return len({Probe()}) == 1


def contains():
    return 1 in Probe()


def not_equal():
    return (Unequal() != 1) is False


def f_string():
    return f"{[Probe()]:}" == "[probe]"


def f_string_repr():
    return f"{[Probe()]!r}" == "[probe]"


def next_with_default():
    return next(ending(), 7) == 7


def getattr_with_default():
    return getattr(Probe(), "missing", 1) == 1


def import_():
    import committing_module

    return committing_module.value == 1


def str_join():
    return ",".join(str(v) for v in gen(2)) == "0,1"


def dict_update():
    return dict((k, k) for k in gen(2)) == {0: 0, 1: 1}


def unpacking():
    a, b = gen(2)
    return (a, b) == (0, 1)


def star_call():
    return (lambda *a: a)(*gen(2)) == (0, 1)


def itertools_over():
    return [v for v in itertools.islice(gen(3), 2)] == [0, 1]


def abc_hook():
    class Meta(abc.ABCMeta):
        def __instancecheck__(cls, instance):
            return commit("yes")

    return True is isinstance(1, types.new_class("Hooked", (), {"metaclass": Meta}))


def sub_callback():
    import re

    return re.sub("a", lambda m: commit("b"), "aa") == "bb"


def main():
    warnings.simplefilter("always")
    for name in sys.argv[1:]:
        global taken
        taken = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = CASES[name]()
            except Exception as error:
                result = f"{type(error).__name__}: {error}"
        said = [[w.category.__name__, str(w.message)] for w in caught]
        facts = {"name": name, "result": result, "warnings": said}
        if not os.environ.get("CRASH_FACTS"):
            facts = {"name": name, "result": result}
        elif taken is not None:
            facts |= {"id": taken.id, "durable": taken.durable, "reason": taken.reason, "restored": taken.restored}
        print(json.dumps(facts), flush=True)
    forkpoint.checkpoint("after all", wait=True)
    print("end")


CASES = {name.strip("_"): value for name, value in list(globals().items()) if isinstance(value, types.FunctionType)}
main()
