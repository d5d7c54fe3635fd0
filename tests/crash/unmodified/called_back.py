"""The loop lives in a library that calls back: a local package whose functions are only reached through C `map`."""

import random

from evolve import Toolbox, minimize

rng = random.Random(4)
calls = 0


def evaluate(individual):
    global calls
    calls += 1
    total = 0.0
    for i, gene in enumerate(individual):
        total += (gene - i / 7) ** 2
        for k in range(12):
            total += 1e-9 * k
    return total


def mutate(individual):
    copy = list(individual)
    copy[rng.randrange(len(copy))] += rng.gauss(0, 0.3)
    return copy


def progress(step, best):
    if step % 50 == 0:
        print("step", step, repr(best), calls)


toolbox = Toolbox(evaluate=evaluate, mutate=mutate, rng=rng)
best, score = minimize(toolbox, size=60, genes=12, steps=2600, progress=progress)
print("best", [round(g, 6) for g in best], repr(score), calls, rng.random())
