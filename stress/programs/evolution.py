"""Evolutionary search whose evaluations run inside sorted(key=), max(key=), sum() and dict() of generators."""

import functools
import math
import random

random.seed(77)
TARGET = [math.sin(i / 5) + 0.3 * math.cos(i / 2) for i in range(160)]


class Genome:
    def __init__(self, genes):
        self.genes = genes

    def value(self, t):
        return sum(a * math.sin(b * t + c) for a, b, c in self.genes)

    def mutated(self, strength):
        return Genome([tuple(g + random.gauss(0, strength) for g in gene) for gene in self.genes])

    def crossed(self, other):
        return Genome([random.choice(pair) for pair in zip(self.genes, other.genes)])


def fitness(genome):
    return sum((genome.value(i / 5) - wanted) ** 2 for i, wanted in enumerate(TARGET))


def tournament(population, size):
    return min(random.sample(population, size), key=fitness)


def offspring(population, count, strength):
    for _ in range(count):
        yield tournament(population, 3).crossed(tournament(population, 3)).mutated(strength)


population = [Genome([tuple(random.gauss(0, 1) for _ in range(3)) for _ in range(4)]) for _ in range(36)]
for generation in range(40):
    children = list(offspring(population, 24, 0.3 * 0.92**generation))
    population = sorted(population + children, key=fitness)[:36]
    scores = dict((n, fitness(genome)) for n, genome in enumerate(population[:12]))
    mean = sum(fitness(genome) for genome in population) / len(population)
    print(generation, repr(scores[0]), repr(mean), any(fitness(g) < 1 for g in population[:6]), flush=True)
champion = max(population, key=lambda genome: -fitness(genome))
print(functools.reduce(lambda total, genome: 0.9 * total + fitness(genome), population, 0.0))
print([tuple(round(g, 9) for g in gene) for gene in champion.genes])
