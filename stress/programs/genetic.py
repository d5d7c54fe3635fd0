"""A numpy genetic algorithm on a travelling salesman: tournament selection, order crossover, mutation, elitism."""

import numpy as np

CITIES, SIZE, GENERATIONS = 40, 80, 900


class Population:
    def __init__(self, rng, cities):
        self.rng = rng
        self.cities = cities
        difference = cities[:, None] - cities[None]
        self.distance = np.sqrt((difference**2).sum(-1))
        self.tours = np.array([rng.permutation(len(cities)) for _ in range(SIZE)])
        self.lengths = self.measure(self.tours)
        self.history = []

    def measure(self, tours):
        return self.distance[tours, np.roll(tours, -1, axis=1)].sum(axis=1)

    @property
    def best(self):
        return int(np.argmin(self.lengths))

    def pick(self):
        some = self.rng.integers(SIZE, size=4)
        return self.tours[some[np.argmin(self.lengths[some])]]

    def cross(self, a, b):
        i, j = sorted(self.rng.integers(CITIES, size=2))
        child = np.full(CITIES, -1)
        child[i:j] = a[i:j]
        kept = set(child[i:j].tolist())
        rest = iter([c for c in b.tolist() if c not in kept])
        for position in range(CITIES):
            if child[position] < 0:
                child[position] = next(rest)
        return child

    def mutate(self, tour):
        while self.rng.random() < 0.4:
            i, j = sorted(self.rng.integers(CITIES, size=2))
            tour[i:j] = tour[i:j][::-1].copy()
        return tour

    def step(self):
        elite = self.tours[np.argsort(self.lengths, kind="stable")[:4]]
        children = [self.mutate(self.cross(self.pick(), self.pick())) for _ in range(SIZE - 4)]
        self.tours = np.vstack([elite, children])
        self.lengths = self.measure(self.tours)
        self.history.append(float(self.lengths.min()))


rng = np.random.default_rng(2024)
population = Population(rng, rng.random((CITIES, 2)))
for generation in range(GENERATIONS):
    population.step()
    if generation % 10 == 0:
        mean = float(population.lengths.mean())
        print(f"generation {generation} best {population.history[-1]!r} mean {mean!r}")
print("tour", population.tours[population.best].tolist(), repr(sum(population.history)), rng.random())
