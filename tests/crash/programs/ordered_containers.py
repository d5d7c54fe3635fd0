"""Containers whose order is the state: sorted lists, OrderedDict, deque, Counter, ChainMap, defaultdict, heaps."""

import bisect
import collections
import heapq

from points import point


class SortedList:
    def __init__(self, key=lambda x: x):
        self.key = key
        self.items = []

    def add(self, item):
        bisect.insort(self.items, item, key=self.key)
        return point(self)

    def __iter__(self):
        yield from self.items


class Cache(collections.OrderedDict):
    limit = 3

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.limit:
            print("evict", self.popitem(last=False))


class Attributes(dict):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.extra = [1]

    def __missing__(self, key):
        return f"no {key}"


words = SortedList(key=len)
for word in ("banana", "fig", "cherry", "kiwi", "date"):
    words.add(word)
print(list(words))
cache = Cache()
for i, key in enumerate("abacad"):
    cache[key] = i
    if key == "c":
        point()
    print(list(cache.items()))
queue = collections.deque(range(5), maxlen=5)
queue.rotate(2)
counts = collections.Counter("mississippi")
groups = collections.defaultdict(lambda: [len(groups)])
chain = collections.ChainMap({"a": 1}, {"a": 2, "b": 3})
heap = [5, 1, 4]
heapq.heapify(heap)
attributes = Attributes(a=1)
views = {"a": 1, "z": 2}
keys, values = views.keys(), views.values()
point()
queue.append(99)
counts.update("sip")
groups["x"].append(1)
groups["y"].append(2)
chain["b"] = 9
views["new"] = 3
print(list(queue), queue.maxlen, counts.most_common(3), dict(groups), dict(chain), chain.maps[1])
print([heapq.heappop(heap) for _ in range(2)], attributes["q"], attributes.extra, list(keys), list(values))
big = {i * 7919 % 1009: i for i in range(500)}
for i in range(0, 1009, 2):
    big.pop(i, None)
order = list(big)
point()
print(order == list(big), sum(big.values()), list(big)[:5])
del views["a"]
views["a"] = 0
point()
print(list(views), views | {"k": 1}, keys & {"a", "new"} == {"a", "new"})
