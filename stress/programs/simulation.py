"""A pure-Python factory: a priority queue of generator processes, breakdowns by exception, queues, statistics."""

import collections
import heapq
import itertools
import random


class Breakdown(Exception):
    pass


class Environment:
    def __init__(self, seed):
        self.now = 0.0
        self.random = random.Random(seed)
        self.order = itertools.count()
        self.heap = []

    def schedule(self, process, delay=0.0, value=None):
        heapq.heappush(self.heap, (self.now + delay, next(self.order), process, value))

    def run(self, until):
        while self.heap and self.heap[0][0] < until:
            self.now, _, process, value = heapq.heappop(self.heap)
            self.advance(process, value)
        self.now = until

    def advance(self, process, value):
        try:
            if isinstance(value, Exception):
                request = process.throw(value)
            else:
                request = process.send(value)
        except StopIteration:
            return
        if isinstance(request, Store):
            request.wait(process)
        else:
            self.schedule(process, request)


class Store:
    def __init__(self, environment):
        self.environment = environment
        self.items = collections.deque()
        self.waiting = collections.deque()

    def put(self, item):
        self.items.append(item)
        self.serve()

    def wait(self, process):
        self.waiting.append(process)
        self.serve()

    def serve(self):
        while self.items and self.waiting:
            self.environment.schedule(self.waiting.popleft(), 0.0, self.items.popleft())


class Machine:
    def __init__(self, environment, name, source, target, mean):
        self.environment, self.name, self.source, self.target, self.mean = environment, name, source, target, mean
        self.made = self.failures = 0
        self.process = self.work()
        environment.schedule(self.process)

    def work(self):
        rng = self.environment.random
        while True:
            part = yield self.source
            for attempt in itertools.count(1):
                try:
                    yield from self.shape(rng)
                    break
                except Breakdown:
                    self.failures += 1
                    yield rng.expovariate(1 / 5)
            self.made += 1
            self.target.put((part[0], part[1] + attempt))

    def shape(self, rng):
        for _ in range(2):
            if rng.random() < 0.02:
                raise Breakdown(self.name)
            yield rng.gammavariate(2.0, self.mean / 4)


def supplier(environment, store):
    for number in itertools.count():
        store.put((number, 0))
        yield environment.random.expovariate(1.0)


def collector(environment, store, done):
    while True:
        part = yield store
        done.append(part)
        if len(done) % 5000 == 0:
            print(f"part {part} at {environment.now!r}")


environment = Environment(99)
stores = [Store(environment) for _ in range(4)]
machines = [
    Machine(environment, f"m{stage}{i}", stores[stage], stores[stage + 1], 1.6) for stage in range(3) for i in range(2)
]
done = []
environment.schedule(supplier(environment, stores[0]))
environment.schedule(collector(environment, stores[3], done))
for day in range(1, 420):
    environment.run(day * 480.0)
    failures = sum(m.failures for m in machines)
    print(f"day {day} done {len(done)} failures {failures} waiting {[len(s.items) for s in stores]} {environment.random.random()!r}")
print("total", len(done), repr(sum(n * a for n, a in done)), [m.made for m in machines])
