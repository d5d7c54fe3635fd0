"""A discrete event simulation: a priority queue of generators, seeded times, resources, statistics."""

import heapq
import random
import statistics


class Simulation:
    def __init__(self, seed):
        self.now, self.queue, self.number = 0.0, [], 0
        self.rng = random.Random(seed)

    def spawn(self, process, delay=0.0):
        self.number += 1
        heapq.heappush(self.queue, (self.now + delay, self.number, process))

    def run(self):
        while self.queue:
            self.now, _, process = heapq.heappop(self.queue)
            try:
                delay = next(process)
            except StopIteration:
                continue
            self.spawn(process, delay)
            yield self.now


class Counter:
    def __init__(self, simulation, clerks):
        self.simulation, self.free, self.served, self.waits = simulation, clerks, 0, []

    def customer(self, n):
        arrived = self.simulation.now
        while self.free == 0:
            yield self.simulation.rng.uniform(0.1, 0.3)
        self.free -= 1
        try:
            self.waits.append(self.simulation.now - arrived)
            yield self.simulation.rng.expovariate(2.0)
        finally:
            self.free += 1
        self.served += 1
        if self.served % 1000 == 0:
            print("served", self.served, repr(self.simulation.now), repr(statistics.fmean(self.waits[-400:])))


def door(simulation, counter, n):
    for i in range(n):
        simulation.spawn(counter.customer(i))
        yield simulation.rng.expovariate(3.6)


for seed in range(3):
    simulation = Simulation(seed)
    counter = Counter(simulation, 2)
    simulation.spawn(door(simulation, counter, 40000))
    steps = 0
    for now in simulation.run():
        steps += 1
        if steps % 20000 == 0:
            print("step", steps, repr(now), len(simulation.queue))
    print("seed", seed, counter.served, repr(sum(counter.waits)), simulation.rng.random())
