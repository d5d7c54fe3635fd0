"""An event simulation: a priority queue of suspended generators, resources, seeded times, statistics at the end."""

import heapq
import itertools
import random

from points import point

rng = random.Random(42)
tickets = itertools.count()


class Simulation:
    def __init__(self):
        self.now = 0.0
        self.events = []
        self.done = []

    def start(self, process, at=0.0):
        heapq.heappush(self.events, (at, next(tickets), process))

    def run(self, until):
        while self.events and self.events[0][0] <= until:
            self.now, _, process = heapq.heappop(self.events)
            try:
                delay = next(process)
            except StopIteration as stop:
                if stop.value:
                    self.done.append(stop.value)
                continue
            self.start(process, self.now + delay)


class Desk:
    def __init__(self, simulation):
        self.simulation = simulation
        self.busy = False
        self.waiting = []

    def serve(self, customer):
        while self.busy:
            yield 0.25
        self.busy = True
        if customer % 4 == 0:
            point()
        yield rng.expovariate(1.5)
        self.busy = False
        return self.simulation.now


def visit(simulation, desk, number):
    arrived = simulation.now
    yield rng.random()
    left = yield from desk.serve(number)
    print(f"customer {number} in {arrived!r} out {left!r}")
    return number, left - arrived


def arrivals(simulation, desk, n):
    for number in range(n):
        simulation.start(visit(simulation, desk, number), simulation.now)
        if number == 5:
            point()
        yield rng.expovariate(1.0)


simulation = Simulation()
desk = Desk(simulation)
simulation.start(arrivals(simulation, desk, 12))
for hour in range(1, 6):
    simulation.run(hour * 4)
    point()
    print("hour", hour, repr(simulation.now), len(simulation.events), len(simulation.done))
print(repr(sum(wait for _, wait in simulation.done)), next(tickets), rng.random())
