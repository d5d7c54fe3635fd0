"""Identity: aliases, cycles, weak references, caches, locks, views of dicts, things equal but not the same."""

import copy
import functools
import gc
import threading
import types
import weakref

from points import point


class Thing:
    def __init__(self, name):
        self.name = name
        self.me = self

    @functools.cached_property
    def slow(self):
        print("computing", self.name)
        return [self.name]

    def method(self):
        return self.name


@functools.lru_cache(maxsize=3)
def cached(n):
    print("miss", n)
    return [n]


a, b = Thing("a"), Thing("b")
same = a
first, second = [1, 2], [1, 2]
aliases = {"x": first, "y": (first, second)}
loop = [first]
loop.append(loop)
weak, gone = weakref.ref(a), weakref.ref(Thing("gone"))
gc.collect()
by_name = weakref.WeakValueDictionary(a=a, b=b)
members = weakref.WeakSet([a, b])
notes = weakref.WeakKeyDictionary({a: "note a", b: "note b"})
dying = weakref.finalize(b, print, "b is gone")
bound = a.method
lock, rlock = threading.Lock(), threading.RLock()
read_only = types.MappingProxyType(aliases)
space = types.SimpleNamespace(thing=a, list=first)
got = [cached(1), cached(2), cached(1)]
sentinel = object()
registry = {sentinel: "by identity", a: "thing"}
print(a.slow, cached.cache_info())


def report():
    print(same is a, a.me is a, aliases["x"] is first, aliases["y"][1] is second, first is second, loop[1] is loop)
    print(weak() is a, gone(), by_name["a"] is a, len(members), a in members, notes[b], dying.alive)
    print(bound.__self__ is a, lock.locked(), read_only["x"] is first, space.list is first, registry[sentinel])
    print(registry[a], a.slow is a.slow, cached(1) is got[0], cached(2) is got[1], cached.cache_info())


with lock:
    report()
    point()
    print("held", lock.locked(), lock.acquire(blocking=False))
print("free", lock.locked())
with rlock, rlock:
    point()
    report()
aliases["z"] = "seen through"
first.append(3)
print(read_only["z"], aliases["y"], loop[0], a.slow)
cached(3), cached(4)
point()
print(cached.cache_info(), cached(1))
by_id = {id(a): "a", id(b): "b"}
seen, at = {id(Thing), id(first), id(functools.reduce)}, (id(sentinel), id(a) + 1)
del b
gc.collect()
print(sorted(by_name), len(members), dying.alive, len(notes))
point()
print(by_id.get(id(a)), [id(first) in by_id, id(Thing) in seen, id(a) in seen, id(first) in seen, at[0] == id(sentinel)])
print(sorted(by_name), True is (1 == 1), None is registry.get("none"), Ellipsis is ...)


class Halfway:
    def __deepcopy__(self, memo):
        point()
        made = memo[id(self)] = Halfway()
        return made


half = Halfway()
before = [first, half, [half, first], {"half": half}]
after = copy.deepcopy(before)
print(after[1] is after[2][0] is after[3]["half"], after[0] is after[2][1], after[1] is half, after[0] is first)
