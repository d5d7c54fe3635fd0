"""A small framework that owns the loop."""


class Toolbox:
    def __init__(self, *, evaluate, mutate, rng):
        self.evaluate, self.mutate, self.rng, self.map = evaluate, mutate, rng, map


def minimize(toolbox, *, size, genes, steps, progress):
    population = [[toolbox.rng.uniform(-2, 2) for _ in range(genes)] for _ in range(size)]
    scores = list(toolbox.map(toolbox.evaluate, population))
    for step in range(steps):
        children = list(toolbox.map(toolbox.mutate, population))
        child_scores = list(toolbox.map(toolbox.evaluate, children))
        ranked = sorted(zip(scores + child_scores, range(2 * size), population + children))
        scores = [score for score, _, _ in ranked[:size]]
        population = [individual for _, _, individual in ranked[:size]]
        progress(step, scores[0])
    return population[0], scores[0]
