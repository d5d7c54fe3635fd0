"""A genetic algorithm with numpy: population views, a Generator, elitism, a callback that raises to stop early."""

import numpy as np

rng = np.random.default_rng(11)
N, GENES = 120, 40
population = rng.uniform(-5, 5, (N, GENES))
best = population[0]


class Converged(Exception):
    pass


def fitness(x):
    return 10 * x.shape[1] + (x * x - 10 * np.cos(2 * np.pi * x)).sum(axis=1)


def select(scores):
    order = np.argsort(scores, kind="stable")
    return population[order[: N // 4]]


def breed(parents):
    for _ in range(N - len(parents)):
        a, b = parents[rng.integers(len(parents), size=2)]
        mask = rng.random(GENES) < 0.5
        child = np.where(mask, a, b)
        spots = rng.random(GENES) < 0.05
        child[spots] += rng.normal(0, 0.4, spots.sum())
        yield child


def callback(generation, score):
    if score < 12:
        raise Converged(generation)


try:
    for generation in range(700):
        scores = fitness(population)
        parents = select(scores)
        population = np.vstack([parents, *breed(parents)])
        best = population[np.argmin(fitness(population))]
        score = float(fitness(best[None])[0])
        if generation % 15 == 0:
            print(generation, repr(score), repr(float(population.std())))
        callback(generation, score)
except Converged as stop:
    print("converged", stop)
print(repr(best[:4].tolist()), rng.random())
