"""A model with a module-level counter."""

from points import point

steps = 0


class Model:
    def __init__(self, width):
        self.weights = [0.5] * width

    def step(self, batch):
        global steps
        steps += 1
        loss = 0.0
        for i, value in enumerate(batch):
            error = self.weights[i % len(self.weights)] - value
            self.weights[i % len(self.weights)] -= 0.1 * error
            loss += error * error
        return point(loss)
